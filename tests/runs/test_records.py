from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from growsearch.errors import InputError
from growsearch.execution.environment import describe_environment
from growsearch.runs.environment import read_environment, write_environment
from growsearch.runs.lines import LineLog
from growsearch.runs.reading import DamagedFile, read_json
from growsearch.runs.records import GrowthLine, MetricsRow, RunResult
from growsearch.runs.store import read_growth, read_result, read_rows, write_result
from tests.runs.examples import GROWN, RESULT, ROW

LATER_IN_RESULTS = ("samples", "active_parameters", "flops", "growth_flops", "budget_full", "cuda_graph")
LATER_IN_EVENTS = (
    *("removed", "gradient_ratio", "regrown", "pruned", "active_before", "active_after"),
    *("refused", "left_out", "growth_flops", "kinds", "widths_before"),
)


def write(path: Path, *rows: Mapping[str, Any]) -> None:
    log = LineLog(path)
    for row in rows:
        log.append(row)
    log.close()


def test_rows_and_events_are_read_as_they_were_written(tmp_path: Path) -> None:
    rows = [ROW, replace(ROW, step=6, metrics={"validation_perplexity": 3.0}, sizes={"1": 2.5})]
    write(tmp_path / "metrics.jsonl", *(row.plain() for row in rows))
    write(tmp_path / "growth.jsonl", GROWN.plain())

    assert read_rows(tmp_path) == rows
    assert read_growth(tmp_path) == [GROWN]
    assert json.loads((tmp_path / "metrics.jsonl").read_text().splitlines()[1])["validation_perplexity"] == 3.0


def test_a_result_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert read_result(tmp_path) is None

    write_result(tmp_path, RESULT)

    assert read_result(tmp_path) == RESULT
    assert json.loads((tmp_path / "result.json").read_text())["test_loss"] == 0.75


def test_a_number_is_found_by_its_name_whatever_was_measured() -> None:
    assert (ROW.value("validation_loss"), ROW.value("parameters")) == (2.5, 40)
    assert (RESULT.value("test_loss"), RESULT.value("flops")) == (0.75, 104)
    assert [RESULT.value(name) for name in ("test_accuracy", "validation_loss", "device", "budget_full")] == [None] * 4


def test_files_of_older_versions_have_the_defaults_of_what_came_later(tmp_path: Path) -> None:
    old = {key: value for key, value in RESULT.plain().items() if key not in LATER_IN_RESULTS}
    event = {key: value for key, value in GROWN.plain().items() if key not in LATER_IN_EVENTS}

    result, line = RunResult.of(old, "result.json"), GrowthLine.of(event, "growth.jsonl")

    assert (result.samples, result.growth_flops, result.budget_full, result.living_parameters) == (None, 0, None, 52)
    assert (line.removed, line.refused, line.widths_before, line.active_before) == ({}, None, {}, None)


def test_events_of_older_versions_are_read_with_todays_names() -> None:
    old = {**GROWN.plain(), "woken": 5, "slept": 2}
    del old["regrown"], old["pruned"]

    event = GrowthLine.of(old, "growth.jsonl, line 1")

    assert (event.regrown, event.pruned) == (5, 2)


def test_what_a_newer_version_adds_is_passed_over() -> None:
    assert MetricsRow.of({**ROW.plain(), "temperature": 20.5}, "metrics.jsonl") == ROW


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"step": "5"}, "step: wrong kind of value (found "),
        ({"step": 5.5}, "step: wrong kind of value (found "),
        ({"lr": None}, "lr: wrong kind of value (found null; allowed a number)"),
        ({"validation_loss": "low"}, 'metrics.validation_loss: wrong kind of value (found "low"; allowed a number)'),
        ({"parameters": True}, "parameters: wrong kind of value (found true; allowed a whole number)"),
    ],
)
def test_a_row_of_the_wrong_type_is_named_by_file_and_line(
    tmp_path: Path, changed: dict[str, Any], message: str
) -> None:
    write(tmp_path / "metrics.jsonl", ROW.plain(), {**ROW.plain(), **changed})

    with pytest.raises(DamagedFile) as caught:
        read_rows(tmp_path)

    assert str(caught.value).startswith(f"{tmp_path / 'metrics.jsonl'}, line 2: is damaged: {message}")


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    write(tmp_path / "growth.jsonl", {"step": 3})

    with pytest.raises(DamagedFile, match=r"line 1: is damaged: sites: missing; widths: .* and 10 more"):
        read_growth(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"not JSON \(Expecting value"),
        ('{"seed": 1, "conf', "not JSON"),
        ("\x00\x00", "not JSON"),
        ("[1, 2]", "found list, expected an object"),
    ],
)
def test_a_file_that_is_cut_off_or_something_else_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "result.json").write_text(text)

    with pytest.raises(DamagedFile, match=message) as caught:
        read_result(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 'result.json'}: is damaged: ")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="environment.json does not exist"):
        read_json(tmp_path / "environment.json")


def test_the_environment_is_read_as_it_was_written(tmp_path: Path) -> None:
    here = describe_environment("cpu", workers=2, threads=1, seeds=3)

    write_environment(tmp_path, here)

    assert read_environment(tmp_path) == here
    assert here.seeds == [0, 1, 2]
