"""Budgets of depth and of blocks: met exactly, never exceeded, spread or at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch

from growsearch import Grower, InputError
from growsearch.growth import GrowthEvent
from growsearch.networks.llama import Llama


def grower_of(budget: Mapping[str, float], how: Any = "identity_blocks", **policy: Any) -> Grower:
    """Around a network of two blocks, that grows after every step."""
    torch.manual_seed(0)
    model = Llama(depth=2, embedding=8, heads=2).build((4,), 11)
    tokens = torch.randint(0, 11, (2, 4))
    settings: dict[str, Any] = {"when": {"interval": {"every": 1}}, "how": how, "budget": budget}
    return Grower(model, None, tokens, **{**settings, **policy})


def depths(grower: Grower, steps: int = 6) -> list[int]:
    """Blocks after each step."""
    found = []
    for _ in range(steps):
        event: GrowthEvent | None = grower.step()
        assert event is None or event.refused is None
        found.append(grower.graph.block_sites["blocks"].blocks)
    return found


@pytest.mark.parametrize("budget", [{"depth": 2.5}, {"blocks": 5}, {"units": 3}])
def test_blocks_double_up_to_the_budget(budget: Mapping[str, float]) -> None:
    grower = grower_of(budget)
    assert depths(grower) == [4, 5, 5, 5, 5, 5]
    assert grower.full and grower.progress.exhausted


@pytest.mark.parametrize(("budget", "expected"), [({"depth": 4.0}, 8), ({"depth": 3.0}, 6), ({"blocks": 7}, 7)])
def test_an_initializer_that_doubles_takes_what_is_left(budget: Mapping[str, float], expected: int) -> None:
    assert depths(grower_of(budget, {"stack": {}}), 4) == [4, expected, expected, expected]


def test_parameters_are_never_exceeded() -> None:
    grower = grower_of({"parameters": 10**9})
    seed, block = grower.graph.parameters, grower.graph.block_sites["blocks"].parameters[0]
    limit = seed + 2 * block + block // 2
    grower = grower_of({"parameters": limit}, {"stack": {"factor": 8.0}})
    assert depths(grower) == [4, 4, 4, 4, 4, 4]
    assert grower.graph.parameters == seed + 2 * block and grower.full


def test_a_depth_below_the_seeds_is_refused() -> None:
    with pytest.raises(InputError, match="budget depth: 0.5 is below the seed network"):
        grower_of({"depth": 0.5})


@pytest.mark.parametrize("budget", [{"depth": 2.0}, {"blocks": 4}])
def test_widths_have_no_such_budget(budget: Mapping[str, float]) -> None:
    with pytest.raises(InputError, match="how zero makes no blocks: give another budget"):
        grower_of(budget, "zero")
