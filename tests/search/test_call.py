"""`growsearch.run_search` from Python: typed results, read back from the folder."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path

import pytest
import yaml

import growsearch
from growsearch.errors import InputError
from growsearch.search import search
from tests.search.conftest import TEXT, RunStub
from tests.search.stub import train

SPACE = yaml.safe_load(TEXT)


@pytest.fixture(autouse=True)
def pretended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("growsearch.search.run.check_space", lambda *_: (4e6, 4e6))
    monkeypatch.setattr("growsearch.search.call.search", partial(search, train=train))


def test_a_search_is_one_call_with_typed_results(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    results = growsearch.run_search(SPACE, folder, budget={"trials": 5}, device="cpu", workers=1, quiet=True)

    [best] = results.best_trials()
    done = [trial for trial in results.trials if trial.state == "complete"]
    assert (len(done), results.spent.trials, results.ended_by) == (5, 5, "budget")
    assert best.values == min(trial.values for trial in done if trial.values) and best.measures is not None
    assert best.parameters.keys() <= {"training.optimizer.lr", *best.parameters}
    assert (folder / "report.html").is_file() and (folder / "best.yaml").is_file()
    assert growsearch.read_search(str(folder)) == results
    assert results.plain() == json.loads((folder / "results.json").read_text())

    drawn = results.figures()
    assert {"history-0", "slices", "timeline"} <= drawn.keys()
    assert list(drawn["history-0"].data[0].y) == [trial.values[0] for trial in done if trial.values]

    more = growsearch.run_search(SPACE, folder, budget={"trials": 6}, device="cpu", workers=1, quiet=True)
    assert len(more.trials) == 6 and more.trials[:5] == results.trials  # goes on, and repeats nothing


def test_a_race_and_failures_are_typed_too(run_stub: RunStub, tmp_path: Path) -> None:
    rates = "training.optimizer.lr={type: choice, values: [0.001, 0.05, 0.1]}"
    run_stub("search.race={top: 2, seeds: 2}", "search.budget.trials=14", rates, raced=True)

    results = growsearch.read_search(tmp_path / "run")

    assert results.race is not None and results.race.finished and len(results.race.candidates) == 2
    assert results.best == (results.race.winner,)
    failed = [trial.number for trial in results.trials if trial.state == "fail"]
    assert failed and [one.trial for one in results.failures] == failed
    assert all("refused" in one.reason for one in results.failures)


def test_results_of_a_search_show_themselves_in_notebooks(run_stub: RunStub, tmp_path: Path) -> None:
    run_stub("search.budget.trials=12")
    results = growsearch.read_search(tmp_path / "run")

    html = results._repr_html_()

    [best] = results.best
    assert f"Best is trial {best}" in html and f'<tr class="best"><th scope="row">{best}</th>' in html
    assert "The first 10 of 12 trials" in html and html.count('<th scope="row">') == 10


def test_trials_are_records_and_a_frame_and_without_pandas_a_clear_error(
    run_stub: RunStub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_stub("search.budget.trials=4")
    results = growsearch.read_search(tmp_path / "run")

    records = results.records()
    assert [one["number"] for one in records] == [0, 1, 2, 3]
    assert all({"value.validation_loss", "measure.parameters"} <= one.keys() for one in records)

    with monkeypatch.context() as without:
        without.setitem(sys.modules, "pandas", None)
        with pytest.raises(InputError, match=r'pip install "pandas", or take records\(\)'):
            results.frame()
    pytest.importorskip("pandas")
    assert list(results.frame()["value.validation_loss"]) == [one["value.validation_loss"] for one in records]


def test_what_cannot_be_searched_or_read_is_an_input_error(tmp_path: Path) -> None:
    plain = {**SPACE, "training": {**SPACE["training"], "optimizer": {"name": "sgd", "lr": 0.1}}}
    plain["growth"] = {"when": "never", "how": "zero", "budget": {"width": 2.0}}
    for space, budget, message in (
        (plain, None, "there is nothing to search"),
        (SPACE, {"trials": 0}, "search.budget.trials"),
        (SPACE, {"days": 1}, "days"),
        ("nowhere", None, "nowhere"),
    ):
        with pytest.raises(InputError, match=message):
            growsearch.run_search(space, tmp_path / "run", budget=budget, quiet=True)  # type: ignore[arg-type]
    assert not (tmp_path / "run").exists()
    with pytest.raises(InputError, match="holds no search"):
        growsearch.read_search(tmp_path)
