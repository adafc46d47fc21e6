"""Growing policies beside the policies of the same comparison that are their controls."""

from __future__ import annotations

from typing import Any

import pytest

from growsearch.comparison import ComparisonResults, results_from
from growsearch.comparison.conclusions import conclude
from growsearch.comparison.control_differences import ControlRuns, Differences, Found
from growsearch.comparison.results import PER_SEED
from growsearch.report.control_section import control_differences_table, control_section
from growsearch.report.latex import to_latex

ACCURACIES = {"small": 0.60, "big": 0.80, "random": 0.70, "zero": 0.75}
FLOPS = {"small": 1.0, "big": 8.0, "random": 4.0, "zero": 4.0}
FOUND: Found = {
    "random": {"small": "small", "big": "big", "retrained": None, "random": "random"},
    "zero": {"small": "small", "big": "big", "retrained": None, "random": "random"},
}


def policies(**seeds: list[int]) -> dict[str, Any]:
    """Four policies and eight seeds, unless others are named; all differences the same on every seed."""
    found: dict[str, Any] = {}
    for name, accuracy in ACCURACIES.items():
        own = seeds.get(name, list(range(8)))
        rows: dict[str, list[Any]] = {key: [1.0] * len(own) for key in PER_SEED}
        rows |= {"test_accuracy": [accuracy + 0.01 * seed for seed in own], "training_flops": [FLOPS[name]] * len(own)}
        found[name] = {"seeds": own, **rows, "growth_events": [int(name in FOUND)] * len(own)}
    return found


def results(found: Found = FOUND, **seeds: list[int]) -> ComparisonResults:
    rows = policies(**seeds)
    return results_from({"policies": rows, "verdict": conclude(rows, controls=ControlRuns(found=found)).plain()})


def test_differences_are_the_policy_minus_its_control_whichever_way_they_were_tested() -> None:
    found = results().conclusions.controls.differences["zero"]

    assert {kind: one and round(one.difference or 0.0, 6) for kind, one in found.items()} == {
        "small": 0.15,
        "big": -0.05,
        "retrained": None,
        "random": 0.05,
    }
    assert found["big"] is not None and found["big"].flops == 0.5
    assert found["big"].interval == pytest.approx((-0.05, -0.05))


def test_the_table_says_what_is_lacking_and_what_is_the_control_itself() -> None:
    shown = control_differences_table(results())

    assert [row[0] for row in shown.rows] == ["zero", "random"]  # the best first
    assert shown.rows[0][1:] == (
        "+15.00 (+15.00 to +15.00) · small, 4 × FLOPs",
        "−5.00 (−5.00 to −5.00) · big, 0.5 × FLOPs",
        "+5.00 (+5.00 to +5.00) · random, 1 × FLOPs",
        "not in this comparison",
    )
    assert shown.rows[1][3] == "is this control"
    assert "−5.00 (−5.00 to −5.00) · big" in control_section(results())


def test_the_advice_says_how_the_best_growth_stands_beside_the_big_network() -> None:
    found = results().conclusions.advice

    assert found.headline == "Of the policies that grow, use zero."
    assert (
        "Was growing worth it? Not known: the control that decides is not in this comparison: a fixed network of the "
        "seed's size with the grown run's training FLOPs, which may reach as much without growing. To have it, add "
        "to the file: controls: [small_equal_compute]." in found.reasons
    )


def test_a_control_without_a_common_seed_is_named_and_not_compared() -> None:
    found = results(big=list(range(10, 18)))

    assert control_differences_table(found).rows[0][2] == "no seed in common with big"
    assert not any("zero is ahead" in reason for reason in found.conclusions.advice.reasons)


def test_tables_of_controls_are_ascii_in_latex() -> None:
    own = {**FOUND, "zero": {kind: name for kind, name in FOUND["zero"].items() if kind != "random"}}

    text = to_latex([control_differences_table(results(own))])

    assert text.isascii() and "--" in text


def test_results_without_controls_have_no_table() -> None:
    assert control_differences_table(results({})).rows == ()


def test_a_pair_is_seen_from_either_side() -> None:
    rows = policies()
    known = Differences(rows, conclude(rows).pairs)

    one, other = known.between("small", "big"), known.between("big", "small")

    assert one.difference == pytest.approx(-0.2) and other.difference == pytest.approx(0.2)
    assert one.interval is not None and other.interval == (-one.interval[1], -one.interval[0])
    assert (one.flops, other.flops) == (0.125, 8.0)
