"""The sites found in every pattern of a graph, and that growing them keeps the outputs."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from growsearch.graph import trace
from tests.graph.patterns import CASES, IMAGE, Concat, Flatten, LayerScale, Residual, Tied


@pytest.mark.parametrize("name", CASES)
def test_sites_of_a_pattern(name: str) -> None:
    model, inputs, expected = CASES[name]

    sites = trace(model, inputs).sites

    assert {site.name: (site.units, site.granularity, site.kind) for site in sites.values()} == expected


@pytest.mark.parametrize("name", CASES)
def test_growing_exact_sites_of_a_pattern_keeps_the_outputs(name: str, grown_difference) -> None:
    model, inputs, _ = CASES[name]
    model = copy.deepcopy(model)

    difference, _ = grown_difference(model, inputs)

    assert difference < 6e-6


def test_growing_with_loud_units_changes_the_outputs(grown_difference) -> None:
    difference, _ = grown_difference(Residual(), IMAGE, silent=False)

    assert difference > 0.01


def test_a_site_lists_who_makes_carries_and_takes_it() -> None:
    site = trace(Residual(), IMAGE).sites["stem"]

    assert site.producers == ("stem", "two")
    assert site.consumers == ("one", "head")
    assert site.path == ("relu()", "norm", "add()", "relu()#2", "mean()")


def test_a_free_scale_parameter_belongs_to_its_site() -> None:
    uses = {use.tensor: use.role for use in trace(LayerScale(), IMAGE).sites["stem"].axes}

    assert uses["gamma"] == "scale"


def test_a_tied_tensor_is_listed_once_with_its_aliases() -> None:
    uses = [use for use in trace(Tied(), torch.tensor([[1, 2]])).sites["embed"].axes if "weight" in use.tensor]

    tied = [use for use in uses if use.tensor == "embed.weight"]
    assert [(use.axis, use.role, use.aliases) for use in tied] == [(1, "in", ("embed.weight", "head.weight"))]


def test_normalisation_over_channels_makes_a_site_mixing() -> None:
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.LayerNorm(6), nn.Linear(6, 2))
    site = trace(model, torch.ones(2, 4)).sites["0"]
    grouped = nn.Sequential(nn.Conv2d(3, 8, 1), nn.GroupNorm(4, 8), nn.Conv2d(8, 2, 1))
    group_site = trace(grouped, IMAGE).sites["0"]

    assert site.kind == "mixing"
    assert site.reason == (
        "LayerNorm at '2' normalises over it, and '1' (pointwise) stands between what writes to it and '2'"
    )
    assert (group_site.kind, group_site.granularity) == ("mixing", 4)


class _Lookup(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(7, 6))

    def forward(self, tokens: Tensor) -> Tensor:
        return nn.functional.embedding(tokens, self.weight, max_norm=1.0)


@pytest.mark.parametrize(
    "embedding", [nn.Embedding(7, 6, max_norm=1.0), nn.EmbeddingBag(7, 6, max_norm=1.0), _Lookup()], ids=type
)
def test_an_embedding_of_limited_length_is_a_normalisation(embedding: nn.Module) -> None:
    """A new feature takes its part of the length from the old ones."""
    tokens = torch.arange(6).view(2, 3)
    graph = trace(nn.Sequential(embedding, nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 2)), tokens)
    (site,) = (site for site in graph.sites.values() if site.width == 6)
    assert site.kind == "mixing" and "normalises over it" in site.reason
    assert graph.sites["1"].kind == "exact"


def test_runs_and_layouts_follow_a_concatenation() -> None:
    graph = trace(Concat(), IMAGE)

    norm = next(use for use in graph.sites["side"].axes if use.tensor == "norm.weight")
    assert [(run.offset, run.repeat) for run in norm.runs] == [(8, 1)]
    assert graph.layout("norm", "side") == (1, norm.runs, 12)
    assert graph.layout("stem", "side") is None
    assert graph.input_layout("head", "side") == (1, norm.runs, 12)


def test_runs_follow_flattening() -> None:
    graph = trace(Flatten(), IMAGE)

    head = next(use for use in graph.sites["stem"].axes if use.tensor == "head.weight")
    assert [(run.offset, run.repeat) for run in head.runs] == [(0, 16)]
    assert head.size == 128
