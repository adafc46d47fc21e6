"""Heads of attention as units, in the forms in which models write attention."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from growsearch.errors import GrowthRefused
from growsearch.graph import NetworkGraph, trace
from growsearch.surgery import apply_edits, site_edits
from tests.graph.attention import FusedAttention, GroupedAttention, SplitAttention, Transformer
from tests.graph.conftest import randomise, relative, run, widen

FORMS: dict[str, tuple[Callable[[], nn.Module], str, tuple[int, int], dict[str, int]]] = {
    "fused": (lambda: FusedAttention(12, 3, by_hand=False), "qkv", (3, 12), {"num_heads": 1}),
    "by_hand": (lambda: FusedAttention(12, 3, by_hand=True), "qkv", (3, 12), {"num_heads": 1}),
    "split": (lambda: SplitAttention(12, 3), "c_attn", (3, 12), {"n_head": 1, "split_size": 4}),
    "grouped": (
        lambda: GroupedAttention(12, 6, 3, 6, repeat=False),
        "q_proj",
        (3, 12),
        {"num_heads": 2, "num_key_value_heads": 1},
    ),
    "repeated": (
        lambda: GroupedAttention(12, 6, 3, 6, repeat=True),
        "q_proj",
        (3, 12),
        {"num_heads": 2, "num_key_value_heads": 1},
    ),
    "heads_like_their_width": (
        lambda: GroupedAttention(12, 4, 4, 4, repeat=False),
        "q_proj",
        (4, 4),
        {"num_heads": 1, "num_key_value_heads": 1},
    ),
}
X = torch.randn(2, 7, 5, generator=torch.Generator().manual_seed(0))


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> tuple[Transformer, list[str], tuple[int, int], dict[str, int]]:
    make, name, size, numbers = FORMS[request.param]
    model = Transformer(make(), make())
    randomise(model)
    return model, [f"attention.{index}.{name}" for index in range(2)], size, numbers


def test_heads_are_the_units_and_the_numbers_of_heads_belong_to_them(form) -> None:
    model, names, size, numbers = form

    sites = trace(model, X).sites

    for name in names:
        site = sites[name]
        assert (site.units, site.granularity, site.kind) == (*size, "exact")
        assert {use.name: use.per_unit for use in site.attributes} == numbers


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
def test_five_growths_of_heads_keep_the_outputs(form, dtype: torch.dtype, tolerance: float) -> None:
    model, names, (units, _), _ = form
    model, x = model.to(dtype), X.to(dtype)
    before = [run(model.train(mode), x) for mode in (False, True)]

    for event in range(5):
        for name in names:
            widen(model, trace(model, x).sites[name], 1 + event % 2)

    after = [run(model.train(mode), x) for mode in (False, True)]
    assert trace(model, x).sites[names[0]].units == units + 7
    assert all(relative(new, old) < tolerance for new, old in zip(after, before, strict=True))


def test_new_heads_that_are_not_silent_change_the_outputs(form) -> None:
    model, names, _, _ = form
    before = run(model, X)

    widen(model, trace(model, X).sites[names[0]], 1, silent=False)

    assert relative(run(model, X), before) > 0.01


def test_costs_of_a_head_are_what_growing_it_costs(form) -> None:
    model, names, _, _ = form
    graph: NetworkGraph = trace(model, X)

    widen(model, graph.sites[names[0]], 1)

    site, after = graph.sites[names[0]], trace(model, X)
    assert after.parameters == graph.parameters + site.parameters_per_unit
    assert after.flops == graph.flops + site.flops_per_unit


def test_heads_are_removed_with_their_numbers(form) -> None:
    model, names, (units, _), _ = form

    apply_edits(model, site_edits(trace(model, X).sites[names[0]], range(1, units)))

    assert run(model, X).shape == (2, 3)
    assert trace(model, X).sites[names[0]].units == units - 1


def test_heads_whose_width_the_code_works_out_from_the_stream_are_frozen() -> None:
    class Derived(FusedAttention):
        def forward(self, x: Tensor) -> Tensor:
            batch, tokens, width = x.shape
            q, k, v = (
                part.view(batch, tokens, self.num_heads, width // self.num_heads).transpose(1, 2)
                for part in self.qkv(x).chunk(3, 2)
            )
            return self.proj((q @ k.mT).softmax(-1).matmul(v).transpose(1, 2).flatten(2))

    site = trace(Transformer(Derived(12, 3, by_hand=True)), X).sites["attention.0.qkv"]

    assert site.kind == "frozen"
    assert "no number that its modules keep makes it run with one unit more" in site.reason


class Causal(FusedAttention):
    """With a mask of positions, kept as a buffer."""

    def __init__(self) -> None:
        super().__init__(12, 3, by_hand=False)
        self.register_buffer("mask", torch.ones(3, 3, dtype=torch.bool).tril())

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, _ = x.shape
        qkv = self.qkv(x).reshape(batch, tokens, 3, self.num_heads, self.head_dim).permute(2, 0, 3, 1, 4)
        y = nn.functional.scaled_dot_product_attention(*qkv.unbind(0), attn_mask=self.mask)
        return self.proj(y.transpose(1, 2).flatten(2))


def test_a_mask_of_as_many_positions_as_heads_holds_no_head_back() -> None:
    torch.manual_seed(0)
    model, x = Causal(), torch.randn(2, 3, 12)
    before = run(model, x)
    site = trace(model, x).sites["qkv"]

    assert (site.kind, site.units) == ("exact", 3)
    widen(model, site, 1)
    assert model.num_heads == 4 and relative(run(model, x), before) < 1e-5


def test_the_heads_of_torchs_own_attention_are_frozen_by_its_width() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(12, 3, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            return self.attention(x, x, x, need_weights=False)[0]

    site = trace(Transformer(Own()), X).sites["embed"]

    assert site.kind == "frozen"
    assert "heads" in site.reason


def test_numbers_of_heads_must_be_what_they_were_when_traced() -> None:
    model = Transformer(FusedAttention(12, 3, by_hand=False))
    site = trace(model, X).sites["attention.0.qkv"]
    model.get_submodule("attention.0").num_heads = 4

    with pytest.raises(GrowthRefused, match="'num_heads' of 'attention.0' is 4, not 3"):
        widen(model, site, 1)
