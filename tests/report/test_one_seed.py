from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from growsearch.cli.train import _show_results
from growsearch.comparison.conclusions import conclude
from growsearch.comparison.results import results_from
from growsearch.report.exports import write_reports
from growsearch.report.results_table import results_table
from growsearch.runs.reading import read_json

SAID = "ne seed: no spread can be told"
SPREAD_OR_TEST = re.compile(r"±|\bp (=|<|is|corrected)|standard deviation|not told apart|cannot tell")


@pytest.mark.parametrize("seeds", [1, 2])
def test_one_seed_has_neither_a_spread_nor_a_test(
    comparison: Callable[..., Path], capsys: pytest.CaptureFixture[str], seeds: int
) -> None:
    folder = comparison(seeds=seeds)

    page, tables, latex = (path.read_text() for path in write_reports(folder, ["html", "markdown", "latex"]))
    _show_results(read_json(folder / "results.json"), folder / "report.html")
    terminal = " ".join(capsys.readouterr().out.split())

    body = page[page.index("<main") : page.index('<script type="application/json"')]
    for shown in (body, tables, terminal):
        assert (SAID in shown) == (seeds == 1)
        assert (SPREAD_OR_TEST.search(shown) is None) == (seeds == 1)
    assert ("pm" in latex) == (seeds == 2)


def test_the_verdict_of_one_seed_says_what_it_takes() -> None:
    def policy(value: float) -> dict[str, list[Any]]:
        ones: dict[str, list[Any]] = {
            key: [1.0] for key in ("test_loss", "parameters", "training_flops", "seconds", "growth_seconds")
        }
        return {"seeds": [0], "test_accuracy": [value], "growth_events": [0], **ones}

    found = conclude({"random": policy(0.5), "other": policy(0.7)})

    assert found.sentence == (
        "other has the highest mean test accuracy: 70.00 % over 1 seed; next is random with 50.00 %. No winner is "
        "called. One seed: no spread can be told, and nothing is tested; that takes at least 6 seeds."
    )
    [reason, *_] = found.advice.reasons
    assert reason.endswith("70.00 %. One seed: no spread can be told, and nothing is tested; it takes at least 6.")
    assert conclude({"run": policy(0.5)}).sentence == (
        "run reaches a test accuracy of 50.00 % (one seed: no spread can be told)."
    )


def test_a_policy_of_which_one_seed_finished_has_no_spread_beside_those_that_have(
    comparison: Callable[..., Path],
) -> None:
    plain = read_json(comparison(seeds=3) / "results.json")
    plain["policies"]["grown"] = {key: own[:1] for key, own in plain["policies"]["grown"].items()}
    plain["verdict"] = conclude(plain["policies"]).plain()

    shown = results_table(results_from(plain))

    cells = {name: score for name, score, *_ in shown.rows}
    assert "±" in cells["small"] and "±" not in cells["grown"]
    assert f"A policy without a spread has o{SAID}." in shown.caption
