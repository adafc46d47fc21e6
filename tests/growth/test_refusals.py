"""What is told of sites before anybody grows: which initializers would leave them out."""

from __future__ import annotations

import io

import pytest
import torch
from rich.console import Console
from torch import nn

from growsearch import Grower
from growsearch.drawing.terminal import refusal_lines, site_table
from growsearch.errors import GrowthRefused, GrowthWarning
from growsearch.graph import trace
from growsearch.growth.refusals import refused_by
from growsearch.networks.llama import Llama
from growsearch_strategies.how.random import Random

TOKENS = torch.randint(0, 11, (2, 4), generator=torch.Generator().manual_seed(0))


class Gated(nn.Module):
    """A plain layer, and behind it units that are gated."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.gate, self.up, self.down = (nn.Linear(4, 4) for _ in range(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.first(x))
        out: torch.Tensor = self.down(nn.functional.silu(self.gate(x)) * self.up(x))
        return out


def test_gated_units_are_exact_but_not_for_every_initializer() -> None:
    model, inputs = Gated(), torch.randn(2, 4)
    graph = trace(model, inputs)

    found = refused_by(model, graph)

    assert {name: site.kind for name, site in graph.sites.items()} == {"first": "exact", "gate": "exact"}
    assert set(found) == {"gate"}
    refused = {how for how, one in found["gate"].items() if not one.given}
    assert refused == {"gradmax", "tiny"}
    assert {how: one.given for how, one in found["gate"].items() if one.given} == dict.fromkeys(
        ("gradmax_opt", "random", "zero"), "side: incoming"
    )


def test_it_is_what_a_grower_leaves_out_when_it_is_made() -> None:
    model, inputs = Gated(), torch.randn(2, 4)
    reason = refused_by(model, trace(model, inputs))["gate"]["gradmax"].reason

    with pytest.warns(GrowthWarning, match="leaves out 'gate'"):
        grower = Grower(
            model,
            torch.optim.SGD(model.parameters(), lr=0.1),
            inputs,
            objective=lambda model, batch: model(batch).square().mean(),
            batches=[inputs],
            when={"interval": {"every": 1}},
            how="gradmax",
            budget={"width": 2.0},
        )

    assert grower.left_out == {"gate": reason}


def test_copies_of_units_of_tied_weights_are_refused_before_anybody_grows() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.head = nn.Embedding(11, 4), nn.Linear(4, 11, bias=False)
            self.head.weight = self.embed.weight

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.head(self.embed(x))
            return out

    model = Tied()
    [found] = refused_by(model, trace(model, TOKENS)).values()

    assert all("both makes its units and reads them" in found[how].reason for how in ("split", "copy_width"))


def test_an_option_with_which_an_initializer_does_not_refuse_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def require(self: Random, model: object, graph: object, site: object, trainable: object = None) -> None:
        if self.norm != "fixed":
            raise GrowthRefused("only fixed norms")

    monkeypatch.setattr(Random, "require", require)
    model = Gated()
    graph = trace(model, torch.randn(2, 4))

    found = refused_by(model, graph)

    assert found["first"]["random"].unless == "norm: fixed"
    assert any("first: not by random (but with norm: fixed)" in line for line in refusal_lines(graph, found))


def test_the_table_marks_these_sites_and_names_alike_ones_once() -> None:
    model = Llama(depth=3, embedding=8, heads=2).build((4,), 11)
    graph = trace(model, TOKENS)
    found = refused_by(model, graph)
    console = Console(file=io.StringIO(), width=200)

    console.print(site_table(graph, found))
    lines = refusal_lines(graph, found)

    rows = {line.split()[0]: line.split()[3] for line in console.file.getvalue().splitlines() if "exact" in line}
    assert rows["blocks.0.mlp.gate"] == "exact*" and "exact" not in rows.values()
    assert lines[0] == "* grows, but not by every initializer (how):"
    assert lines[1:] == [
        "  tokens: not by gradmax, gradmax_opt, split, tiny, variance_transfer",
        "  blocks.*.attention.query: not by gradmax, tiny; nor with side: incoming by gradmax_opt, random, zero",
        "  blocks.*.mlp.gate: not by gradmax, tiny; nor with side: incoming by gradmax_opt, random, zero",
    ]


def test_nothing_is_said_where_every_initializer_grows_every_site() -> None:
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))
    graph = trace(model, torch.randn(2, 4))

    assert refused_by(model, graph) == {} and refusal_lines(graph, {}) == []
