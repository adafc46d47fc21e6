"""Growing policies beside the policies of the same comparison that are their controls."""

from __future__ import annotations

from typing import Any

import pytest

from growsearch.comparison.metric import ACCURACY
from growsearch.comparison.results import PER_SEED
from growsearch.comparison.verdict import describe
from growsearch.report.advice import advise
from growsearch.report.beside import besides
from growsearch.report.control_section import beside_table, control_section
from growsearch.report.latex import to_latex
from growsearch.report.results_table import ranked

ACCURACIES = {"small": 0.60, "big": 0.80, "random": 0.70, "zero": 0.75}
FLOPS = {"small": 1.0, "big": 8.0, "random": 4.0, "zero": 4.0}
FOUND = {
    "random": {"small": "small", "big": "big", "retrained": None, "random": "random"},
    "zero": {"small": "small", "big": "big", "retrained": None, "random": "random"},
}


@pytest.fixture
def results() -> dict[str, Any]:
    """Four policies and eight seeds, all differences the same on every seed."""
    policies: dict[str, Any] = {}
    for name, accuracy in ACCURACIES.items():
        rows: dict[str, list[Any]] = {key: [1.0] * 8 for key in PER_SEED}
        rows |= {"test_accuracy": [accuracy + 0.01 * seed for seed in range(8)], "training_flops": [FLOPS[name]] * 8}
        policies[name] = {"seeds": list(range(8)), **rows, "growth_events": [int(name in FOUND)] * 8}
    verdict = describe(policies)
    verdict["controls"] = {"pairs": [], "sentences": [], "found": FOUND}
    return {"policies": policies, "controls": {}, "verdict": verdict, "failures": []}


def test_differences_are_the_policy_minus_its_control_whichever_way_they_were_tested(results: dict[str, Any]) -> None:
    found = besides(results)["zero"]

    assert {kind: one and round(one.difference, 6) for kind, one in found.items()} == {
        "small": 0.15,
        "big": -0.05,
        "retrained": None,
        "random": 0.05,
    }
    assert found["big"] is not None and found["big"].flops == 0.5
    assert found["big"].interval == pytest.approx((-0.05, -0.05))


def test_the_table_says_what_is_lacking_and_what_is_the_control_itself(results: dict[str, Any]) -> None:
    shown = beside_table(ACCURACY, results)

    assert [row[0] for row in shown.rows] == ["zero", "random"]  # the best first
    assert shown.rows[0][1:] == (
        "+15.00 (+15.00 to +15.00) · small, 4 × FLOPs",
        "−5.00 (−5.00 to −5.00) · big, 0.5 × FLOPs",
        "+5.00 (+5.00 to +5.00) · random, 1 × FLOPs",
        "not in this comparison",
    )
    assert shown.rows[1][3] == "is this control"
    assert "−5.00 (−5.00 to −5.00) · big" in control_section(ACCURACY, results)


def test_the_advice_says_how_the_best_growth_stands_beside_the_big_network(results: dict[str, Any]) -> None:
    found = advise(results, ranked(results))

    assert found.headline == "Of the policies that grow, use zero."
    assert (
        "Was growing worth it? Not known: the control that decides is not in this comparison: a fixed network of the "
        "seed's size with the grown run's training FLOPs, which may reach as much without growing. The file asks for "
        "it by controls: [small_equal_compute]." in found.reasons
    )


def test_a_control_without_a_common_seed_is_named_and_not_compared(results: dict[str, Any]) -> None:
    results["verdict"]["pairs"] = [
        p for p in results["verdict"]["pairs"] if {p["policy"], p["against"]} != {"zero", "big"}
    ]

    shown = beside_table(ACCURACY, results)

    assert shown.rows[0][2] == "no seed in common with big"
    assert not any("zero is ahead" in reason for reason in advise(results, ranked(results)).reasons)


def test_tables_of_controls_are_ascii_in_latex(results: dict[str, Any]) -> None:
    del results["verdict"]["controls"]["found"]["zero"]["random"]

    text = to_latex([beside_table(ACCURACY, results)])

    assert text.isascii() and "--" in text


def test_results_without_controls_have_no_table() -> None:
    assert besides({"policies": {}, "verdict": {"pairs": []}}) == {}
