from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from growsearch.cli.search import _show_results
from growsearch.comparison.metric import ACCURACY, LOSS
from growsearch.comparison.table import TableRow
from growsearch.number_format import counted, decimal, human, show_measure
from growsearch.report.search_page import race_sentence, race_table, trials_table

MEASURES = {"validation_accuracy": 0.96718, "parameters": 23946.0, "training_flops": 2.6512e10}
CANDIDATE = {
    "trial": 7,
    "searched": 0.975,
    "mean": 0.96718,
    "error": 0.0035,
    "values": [0.9637, 0.9707],
    "probability": 0.9,
}
RESULTS: dict[str, Any] = {
    "objectives": [{"maximize": "validation_accuracy"}],
    "best": [7],
    "trials": [
        {
            "number": 7,
            "state": "complete",
            "values": [0.96718],
            "measures": MEASURES,
            "feasible": None,
            "constraints": {},
            "parameters": {},
            "seconds": 1.25,
        }
    ],
    "budget": {"flops": 3e10},
    "spent": {"trials": 1, "flops": 2.6512e10, "hours": 0.5},
    "ended_by": "budget",
    "rungs": [],
    "race": {"finished": True, "winner": 7, "candidates": [CANDIDATE]},
    "files": [],
}


def row_of_a_comparison() -> TableRow:
    return TableRow(
        policy="grown",
        metric=ACCURACY,
        seeds=2,
        mean=0.96718,
        std=0.0035,
        parameters=23946,
        active=23946,
        training_flops=26512000000,
        growth_flops=0,
        seconds=1.25,
        growth_share=0.0,
        reference=None,
        pair=None,
        change="grows",
    )


def test_a_search_and_a_comparison_write_the_same_measure_alike(capsys: pytest.CaptureFixture[str]) -> None:
    _, compared, parameters, flops, seconds, *_ = row_of_a_comparison().cells()
    assert (compared, parameters, flops, seconds) == ("96.72 ± 0.35 %", "23,946", "26.5 G", "1.2")

    [in_report] = trials_table(RESULTS).rows
    assert in_report[2:6] == ("96.72 %", parameters, flops, seconds)
    by_size = trials_table(RESULTS | {"objectives": [{"maximize": "validation_accuracy"}, {"minimize": "parameters"}]})
    assert by_size.titles[2:6] == ("validation_accuracy", "parameters", "FLOPs", "seconds")  # no column twice
    assert race_table(RESULTS).rows[0][1:4] == ("97.50 %", "96.72 %", "0.35 %")
    assert f"validation_accuracy {compared} by 2 fresh seeds" in (race_sentence(RESULTS) or "")

    _show_results(RESULTS, Path("report.html"))
    terminal = capsys.readouterr().out
    assert all(shown in terminal for shown in ("96.72 %", parameters, flops, "26.5 G of 30 G FLOPs"))
    assert "0.967" not in terminal and "e+" not in terminal


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("validation_accuracy", 0.5, "50.00 %"),
        ("test_accuracy", 0.5, "50.00 %"),
        ("validation_loss", 0.31, "0.3100"),
        ("parameters", 1_234_567, "1,234,567"),
        ("flops", 1_234_567, "1.23 M"),
        ("seconds", 12.34, "12.3"),
    ],
)
def test_a_measure_by_its_name(name: str, value: float, text: str) -> None:
    assert show_measure(name, value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0.0000"), (0.5, "0.5000"), (-2.25, "-2.2500"), (15_000, "15,000.0"), (1.23e-5, "1.23e-05")],
)
def test_a_loss_keeps_its_digits_whether_it_is_large_or_tiny(value: float, text: str) -> None:
    assert (decimal(value), LOSS.show(value)) == (text, text)


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0"), (999, "999"), (1234, "1.23 k"), (65_400_000, "65.4 M"), (1.5e15, "1.5 P")]
)
def test_flops_are_short(number: float, text: str) -> None:
    assert human(number) == text


def test_counts_are_whole() -> None:
    assert (counted(999), counted(23946.4), counted(1_234_567)) == ("999", "23,946", "1,234,567")
