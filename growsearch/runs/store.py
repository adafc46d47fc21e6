"""The files of one training, in the folder of its seed, read and written as records."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

from growsearch.runs.files import write_json
from growsearch.runs.layout import DESCRIPTION, GROWTH, METRICS, RECOVERIES, RESULT
from growsearch.runs.lines import line_of, read_lines
from growsearch.runs.reading import DamagedFile, read_json
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


def write_result(folder: Path, result: RunResult) -> RunResult:
    """Write the result, with the checksums of the files beside it, and return it: now the training is finished."""
    result = replace(result, files=_checksums(folder))
    write_json(folder / RESULT, result.plain())
    return result


def require_whole(folder: Path, result: RunResult) -> None:
    """Raise `DamagedFile` where a file beside a result is not the one that the finished training has left.

    Results of older versions do not tell: their logs have to be readable.
    """
    if not result.files:
        read_rows(folder), read_growth(folder)
    found = _checksums(folder)
    for name, checksum in result.files.items():
        if found.get(name) != checksum:
            state = "it was changed or cut off" if name in found else "it is missing"
            raise DamagedFile(f"{folder / name}: is damaged: {state} since its run finished")


def _checksums(folder: Path) -> dict[str, str]:
    """Of the files beside a result: equal for runs that are equal but for the time they took."""
    contents = {}
    for name in (METRICS, GROWTH):
        if (path := folder / name).is_file():
            rows = [{key: value for key, value in row.items() if key != "seconds"} for row in read_lines(path)]
            contents[name] = json.dumps(rows, sort_keys=True).encode()
    if (path := folder / DESCRIPTION).is_file():
        contents[DESCRIPTION] = path.read_bytes()
    return {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
