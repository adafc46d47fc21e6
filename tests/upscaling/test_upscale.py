"""The library call, on networks of our own."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import growsearch
from growsearch.errors import GrowthRefused, InputError
from growsearch.networks.base import Network
from growsearch.networks.gpt import GPT
from growsearch.networks.llama import Llama
from growsearch.networks.vit import ViT

SIZES: dict[str, Any] = {"depth": 2, "embedding": 16, "heads": 4, "mlp_ratio": 2.0}
NETWORKS: list[Network] = [GPT(**SIZES), Llama(**SIZES), Llama(**SIZES, key_value_heads=2), ViT(**SIZES)]


def drawn(network: Network) -> tuple[nn.Module, Tensor]:
    """The network in float64, every parameter drawn at random, and inputs for it."""
    torch.manual_seed(0)
    image = isinstance(network, ViT)
    model = network.build((1, 8, 8) if image else (6,), 11).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_()
    return model, torch.randn(2, 1, 8, 8).double() if image else torch.randint(0, 11, (2, 6))


@pytest.mark.parametrize("network", NETWORKS, ids=repr)
def test_heads_and_mlps_reach_their_sizes_and_the_function_stays(network: Network) -> None:
    model, inputs = drawn(network)
    before = model(inputs)

    found = growsearch.upscale(model, inputs, heads=2.0, mlp=40)

    assert found.before == {"depth": 2, "residual": 16, "heads": 4, "mlp": 32}
    assert found.after == {"depth": 2, "residual": 16, "heads": 8, "mlp": 40}
    for name, rows in (("attention.query", 8 * 4), ("mlp.up", 40)):
        assert [model.get_parameter(f"blocks.{block}.{name}.weight").shape[0] for block in (0, 1)] == [rows, rows]
    assert found.exact
    assert torch.allclose(model(inputs), before, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("how", ["zero", "copy_width"])
@pytest.mark.parametrize("network", NETWORKS, ids=repr)
def test_the_residual_stream_grows_together_with_all_else(network: Network, how: str) -> None:
    model, inputs = drawn(network)
    before = model(inputs)

    found = growsearch.upscale(model, inputs, residual=40, heads=8, mlp=40, how=how)

    assert found.exact and found.after == {"depth": 2, "residual": 40, "heads": 8, "mlp": 40}
    assert model.get_parameter("blocks.1.mlp.up.weight").shape == (40, 40)
    assert torch.allclose(model(inputs), before, rtol=1e-12, atol=1e-12)
    with torch.no_grad():  # negative control: what writes to the stream is not free
        model.get_parameter("blocks.1.mlp.down.weight")[-1] += 1.0
    assert not torch.allclose(model(inputs), before, rtol=1e-3)


def test_a_network_without_blocks_that_add_to_one_stream_is_told_so() -> None:
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2))
    with pytest.raises(GrowthRefused, match="residual: this network has none: no layers of several blocks"):
        growsearch.upscale(model, torch.randn(2, 4), residual=8)


def test_sizes_of_the_mlp_and_the_stream_become_multiples() -> None:
    model, inputs = drawn(NETWORKS[2])
    found = growsearch.upscale(model, inputs, residual=1.1, mlp=33, round_to=12)
    assert found.after == {"depth": 2, "residual": 24, "heads": 4, "mlp": 36}
    for wrong in (0, 2.0, True):
        with pytest.raises(InputError, match="round_to: .* is not allowed: give a whole number of at least 1"):
            growsearch.upscale(model, inputs, mlp=2.0, round_to=wrong)


@pytest.mark.parametrize("network", NETWORKS[1:], ids=repr)
def test_copies_of_blocks_add_nothing_at_first_and_are_new_as_a_whole(network: Network) -> None:
    model, inputs = drawn(network)
    before = model(inputs)

    found = growsearch.upscale(model, inputs, depth=1.5, mlp=40)

    assert (found.before["depth"], found.after["depth"], found.exact) == (2, 3, True)
    assert torch.allclose(model(inputs), before, rtol=1e-12, atol=1e-12)
    [block] = {name.split(".")[1] for name, value in found.new_parameters.items() if value == "all"}
    own = {name for name in dict(model.named_parameters()) if name.startswith(f"blocks.{block}.")}
    assert own == {name for name, value in found.new_parameters.items() if value == "all"}
    copy = model.get_submodule(f"blocks.{block}")
    assert not copy.get_parameter("mlp.down.weight").any() and not copy.get_parameter("attention.output.weight").any()
    assert copy.get_parameter("mlp.up.weight").any()


def test_stacked_blocks_change_the_function_and_say_so() -> None:
    model, inputs = drawn(NETWORKS[1])
    before = model(inputs)
    found = growsearch.upscale(model, inputs, depth=3, how_deep={"stack": {"order": "middle"}})
    assert not found.exact and not torch.allclose(model(inputs), before, rtol=1e-3)


def test_what_is_new_is_just_what_the_outputs_do_not_depend_on() -> None:
    """New outgoing weights are zero; so new incoming weights change nothing, and everything else does."""
    model, inputs = drawn(NETWORKS[2])
    found = growsearch.upscale(model, inputs, heads=6, mlp=1.5)
    before, new = model(inputs), found.new_parameters

    assert set(new) == {
        f"blocks.{block}.{name}.weight"
        for block in (0, 1)
        for name in (*(f"attention.{n}" for n in ("query", "key", "value", "output")), "mlp.gate", "mlp.up", "mlp.down")
    }
    assert new["blocks.0.attention.key.weight"] == {"0": [[8, 12]]}
    assert new["blocks.0.attention.output.weight"] == {"1": [[16, 24]]}
    numbers = 0
    with torch.no_grad():
        for name, axes in new.items():
            assert isinstance(axes, dict)
            [(axis, [[start, stop]])] = axes.items()
            part = model.get_parameter(name).narrow(int(axis), start, stop - start)
            numbers += part.numel()
            if axis == "0":
                part.normal_()
            else:
                assert not part.any()
    assert numbers == found.new_elements
    assert torch.allclose(model(inputs), before, rtol=1e-12, atol=1e-12)


def test_new_weights_learn_from_the_first_step() -> None:
    model, inputs = drawn(NETWORKS[2])
    growsearch.upscale(model, inputs, heads=6, mlp=1.5)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    for _ in range(2):
        optimizer.zero_grad()
        model(inputs).square().mean().backward()
        optimizer.step()
    for name in ("attention.query", "attention.key", "mlp.gate", "mlp.up"):
        gradient = model.get_parameter(f"blocks.0.{name}.weight").grad
        assert gradient is not None and gradient[-1].abs().max() > 0


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({}, "nothing to upscale: give at least one of depth, heads, mlp and residual"),
        ({"mlp": 32}, "nothing to upscale: the network has these sizes already"),
        ({"heads": 5}, "heads: 5 cannot be reached: .* in groups of 2 .*: choose 4 or 6"),
        ({"mlp": 1.51}, "mlp: 1.51 times 32 is 48.32, which cannot be reached: choose 48 or 49"),
        ({"mlp": 8}, "mlp: there are 32 already"),
    ],
)
def test_sizes_that_cannot_be_had_leave_the_network_as_it_is(sizes: dict[str, Any], message: str) -> None:
    model, inputs = drawn(NETWORKS[2])
    before = {name: value.clone() for name, value in model.state_dict().items()}

    with pytest.raises(InputError, match=message):
        growsearch.upscale(model, inputs, **sizes)

    after = model.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


class OneHeadWide(nn.Module):
    """Attention of fixed size, as torch's own module."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, dropout=0.0)])

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return x


def test_heads_that_no_site_can_give_are_refused_with_the_reason() -> None:
    with pytest.raises(GrowthRefused, match="heads: no block of this network has heads that can grow; 'blocks.0"):
        growsearch.upscale(OneHeadWide(), torch.randn(2, 5, 8), heads=4)


class Casting(nn.Module):
    """A block whose normalisation casts the stream to the type that it has: that gives the very same tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(8, 12), nn.Linear(12, 8)

    def forward(self, x: Tensor) -> Tensor:
        wide = x.to(torch.float64)
        return x + self.down(torch.relu(self.up(wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + 1e-6))))


def test_a_stream_that_is_cast_to_the_type_that_it_has_is_the_same_stream() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(Casting(), Casting()).double()
    inputs = torch.randn(2, 5, 8).double()
    before = model(inputs)
    assert growsearch.upscale(model, inputs, depth=3).exact
    assert torch.allclose(model(inputs), before, rtol=1e-12, atol=1e-12)
