"""What a run is going to cost, said before it is begun."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from growsearch.config import RunConfig
from growsearch.search.budget import foreseen_flops

Make = Callable[..., RunConfig]


@pytest.mark.parametrize(
    ("budget", "times"),
    [
        ({"parameters": 4 * 21}, 2.0),  # the seed network has 21
        ({"flops": [50, 9 * 42]}, 3.0),  # and 42
        ({"width": 3.0}, 3.0),
        ({"units": 4}, 1.0),
    ],
)
def test_a_run_is_foreseen_to_cost_the_root_of_what_its_budget_lets_it_grow(
    student: Make, budget: dict[str, Any], times: float
) -> None:
    fixed = foreseen_flops(student())
    growth = {"when": {"interval": {"every": 4}}, "how": {"zero": {}}, "budget": budget}

    assert foreseen_flops(student(growth=growth)) == pytest.approx(times * fixed)
