from __future__ import annotations

import json
from pathlib import Path

import pytest

from growsearch.runs.files import write_json
from growsearch.runs.lines import LineLog, read_lines
from growsearch.runs.reading import DamagedFile


def test_every_row_is_in_the_file_at_once(tmp_path: Path) -> None:
    log = LineLog(tmp_path / "m.jsonl")

    log.append({"step": 1})
    log.append({"step": 2})

    assert read_lines(tmp_path / "m.jsonl") == [{"step": 1}, {"step": 2}]
    assert log.size == (tmp_path / "m.jsonl").stat().st_size
    log.close()


def test_opening_with_a_size_drops_later_rows(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    log = LineLog(path)
    log.append({"step": 1})
    known = log.size
    log.append({"step": 2})
    log.close()

    log = LineLog(path, known)
    log.append({"step": 2, "again": True})
    log.close()

    assert read_lines(path) == [{"step": 1}, {"step": 2, "again": True}]


def test_a_log_that_lost_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DamagedFile, match="m.jsonl: is damaged: it has 0 bytes, its checkpoint knows of 100"):
        LineLog(tmp_path / "m.jsonl", 100)


def test_a_row_cut_off_by_a_kill_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "m.jsonl").write_text('{"step": 1}\n{"st')

    assert read_lines(tmp_path / "m.jsonl") == [{"step": 1}]


def test_json_has_null_for_what_is_not_finite(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"a": [float("nan"), 1.5], "b": float("inf"), "c": (True, None, 3)})

    assert json.loads((tmp_path / "x.json").read_text()) == {"a": [None, 1.5], "b": None, "c": [True, None, 3]}
