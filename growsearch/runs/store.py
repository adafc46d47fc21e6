"""The files of one training, in the folder of its seed, read and written as records."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from growsearch.runs.files import write_json
from growsearch.runs.layout import GROWTH, METRICS, RECOVERIES, RESULT
from growsearch.runs.lines import line_of, read_lines
from growsearch.runs.reading import read_json
from growsearch.runs.records import GrowthLine, MetricsRow, Recovery, RunResult


def read_rows(folder: Path) -> list[MetricsRow]:
    """Return the rows of metrics of a training, none where it has not begun; `DamagedFile` names a bad line."""
    path = folder / METRICS
    return [MetricsRow.of(plain, line_of(path, number)) for number, plain in enumerate(read_lines(path), 1)]


def read_growth(folder: Path) -> list[GrowthLine]:
    """Return the growth events of a training, refused ones included, with the steps until their loss was back.

    Raises `DamagedFile` as `read_rows` does.
    """
    path, beside = folder / GROWTH, folder / RECOVERIES
    lines = [GrowthLine.of(plain, line_of(path, number)) for number, plain in enumerate(read_lines(path), 1)]
    found = [Recovery.of(plain, line_of(beside, number)) for number, plain in enumerate(read_lines(beside), 1)]
    back = {each.step: each.recovered_steps for each in found}
    return [replace(line, recovered_steps=back.get(line.step, line.recovered_steps)) for line in lines]


def read_result(folder: Path) -> RunResult | None:
    """Return the result of a training, None where it is not finished; raises `DamagedFile` where it is none."""
    path = folder / RESULT
    return RunResult.of(read_json(path), str(path)) if path.exists() else None


def write_result(folder: Path, result: RunResult) -> None:
    """Write the result: from now on the training is finished."""
    write_json(folder / RESULT, result.plain())
