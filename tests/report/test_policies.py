"""The key of the policies: what each one is."""

from __future__ import annotations

import re
from typing import Any

from growsearch.comparison import ComparisonResults, results_from
from growsearch.comparison.conclusions import conclude
from growsearch.comparison.results import PER_SEED
from growsearch.report.policies import policy_section

CONFIG = {
    "data": {"name": "digits"},
    "network": {"name": "small_cnn", "width": 0.25, "channels": [16, 32]},
    "growth": {"when": {"interval": {"every": 16, "count": 6}}, "where": {"uniform": {}}, "how": {"random": {}}},
    "policies": {
        "small": {"growth": {"when": "never"}},
        "big": {"network": {"width": 1.0}, "growth": {"when": {"never": {}}}},
        "random": {},
        "listed": {"growth": {"when": {"schedule": {"steps": [1, 2, 3, 4, 5]}}, "how": {"nobody_s": {"scale": 0.5}}}},
        "soft": {"growth": {"soft": {"size_gate": {}}}},
    },
}


def results_of(sizes: dict[str, list[int]], reference: str | None = None) -> ComparisonResults:
    """Policies that end with these parameters, one entry a seed, and are alike in everything else."""
    policies: dict[str, Any] = {}
    for name, parameters in sizes.items():
        rows = {key: [1.0] * len(parameters) for key in PER_SEED}
        policies[name] = {**rows, "seeds": list(range(len(parameters))), "parameters": parameters}
    return results_from({"policies": policies, "verdict": conclude(policies, reference).plain()})


RESULTS = results_of({**dict.fromkeys(CONFIG["policies"], [1000, 1000]), "soft": [10, 20]}, "random")


def cells(page: str, name: str) -> list[str]:
    row = next(row for row in page.split('<tr role="row">') if f">{name}<" in row)
    return [cell.partition("</td>")[0] for cell in re.split("<td[^>]*>", row)[1:]]


def test_each_policy_is_told_by_what_is_its_own() -> None:
    page = policy_section(CONFIG, RESULTS)

    same = "interval (every 16, count 6)"
    assert cells(page, "random (reference)") == ["small_cnn (width 0.25)", same, "uniform", "random", "1,000"]
    assert cells(page, "big") == ["small_cnn (width 1.0)", "does not grow", "", "", "1,000"]
    assert cells(page, "small")[:2] == ["small_cnn (width 0.25)", "does not grow"]
    assert cells(page, "listed")[1:4] == ["schedule (steps 1, 2, … 5)", "uniform", "nobody_s (scale 0.5)"]
    assert cells(page, "soft")[1:] == ["by gradient descent", "", "size_gate", "10 to 20"]


def test_the_strategies_in_use_say_what_they_do_and_unknown_ones_are_left_out() -> None:
    page = policy_section(CONFIG, RESULTS)

    assert "<strong>how: random</strong>: " in page and "<strong>soft: size_gate</strong>: " in page
    assert "how: nobody_s</strong>" not in page


def test_what_else_differs_is_named_with_all_defaults() -> None:
    config = {
        "data": {"name": "digits"},
        "network": {"name": "mlp"},
        "training": {"epochs": 2, "optimizer": {"name": "sgd", "lr": 0.1}},
        "growth": {"when": {"interval": {"every": 5}}, "how": "zero", "budget": {"units": 2}},
        "policies": {
            "a": {},
            "b": {"training": {"epochs": 3}, "growth": {"budget": {"units": 4}}},
            "c": {"growth": None},
            "d": {"network": "mlp", "growth": {"when": "never"}},
            "e": {"network": {"layers": ["flatten", "linear"]}, "growth": {"when": "never"}},
        },
    }

    page = policy_section(config, results_of(dict.fromkeys("abcde", [7])))

    assert cells(page, "a (reference)")[5] == "training.epochs 2, budget.units 2"
    assert cells(page, "b")[5] == "training.epochs 3, budget.units 4"
    assert cells(page, "c")[1:] == ["does not grow", "", "", "7", "training.epochs 2"]
    assert cells(page, "d")[0] == cells(page, "c")[0]
    assert cells(page, "e")[0] == "2 layers"


def test_a_run_without_policies_needs_no_key() -> None:
    assert policy_section({"network": {"name": "mlp"}}, results_of({"run": [7]})) == ""
