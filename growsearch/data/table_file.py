"""Tables in .csv files: columns of numbers, of categories, and what to do where a value is missing."""

from __future__ import annotations

import csv
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from growsearch.data.raw import Array, Raw
from growsearch.errors import DataError
from growsearch.registry import nearest

Line = tuple[int, list[str]]
Values = Mapping[str, tuple[str, ...]]
Missing = Literal["refuse", "drop", "fill"]
GAPS = ("", "na", "n/a", "nan", "null", "?")  # what stands in a column of numbers where there is none, in any case
_DELIMITERS = (",", ";", "\t", "|")


@dataclass(frozen=True)
class Reading:
    """How a table is read.

    Args:
        target: columns that are learned.
        categories: columns of which each value is an input of its own, 1 where a row has it and 0 elsewhere.
        ignore: columns that are left out.
        delimiter: between values.
        missing: what becomes of a row without one of its numbers, categories or targets: it is refused or dropped, or
            the training mean and no category stand in (`fill`; a target cannot be filled).
    """

    target: tuple[str, ...]
    categories: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    delimiter: str = ","
    missing: Missing = "refuse"


def read_table(path: Path, reading: Reading, known: Values | None = None) -> tuple[Raw, Values]:
    """Return the rows of a .csv file, whose first line has the columns' names, and the values of its categories.

    Args:
        path: of the file.
        reading: what its columns are.
        known: the values of the categories of the training samples, for a second file: another value there is none of
            them, and 0 in each input.

    Raises:
        DataError: a column is missing or is named twice, a row has another number of values, one is no number, or is
            missing and refused.
    """
    columns, lines = columns_of(path, (*reading.target, *reading.categories, *reading.ignore), reading.delimiter)
    used = {name: values for name, values in columns.items() if name not in reading.ignore}
    if not used.keys() - set(reading.target):
        named = ", ".join((*reading.target, *reading.ignore))
        raise DataError(f"{path} has no column beside {named}: nothing to learn from")
    if reading.missing == "drop":
        used, lines = _without_gaps(path, used, lines, reading.categories)
    inputs, names, found = list[Array](), list[str](), dict[str, tuple[str, ...]]()
    for name, values in used.items():
        if name in reading.target:
            continue
        if name in reading.categories:
            if reading.missing == "refuse" and "" in values:
                line = lines[values.index("")][0]
                raise DataError(f"{path}, line {line}: column {name!r} is empty: {_GAP}")
            found[name] = known[name] if known else _categories(path, name, values)
            inputs += [np.array([value == one for value in values], dtype=float) for one in found[name]]
            names += [f"{name}={one}" for one in found[name]]
        else:
            inputs.append(_numeric(path, name, values, lines, fill=reading.missing == "fill"))
            names.append(name)
    wanted = [_target(path, name, used[name], lines, alone=len(reading.target) == 1) for name in reading.target]
    targets = wanted[0] if len(wanted) == 1 else np.stack(wanted, axis=1)
    return Raw(np.stack(inputs, axis=1), targets, tuple(names), gaps=reading.missing == "fill"), found


def columns_of(path: Path, needed: Collection[str], delimiter: str) -> tuple[dict[str, list[str]], list[Line]]:
    """Return the values of all columns by name, and the lines that they come from, each with its number.

    Raises `DataError` as `read_table` does.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = [
                (reader.line_num, row) for reader in [csv.reader(file, delimiter=delimiter)] for row in reader if row
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as a table: {error}") from error
    if len(lines) < 2:
        found = "one line" if lines else "no line"
        raise DataError(f"{path} has {found}: the first names the columns, every other one is a sample")
    header = [name.strip() for name in lines[0][1]]
    if len(set(header)) < len(header):
        twice = sorted({name for name in header if header.count(name) > 1})
        raise DataError(f"{path}: columns {twice} are named twice: give each a name of its own in the first line")
    for name in needed:
        if name not in header:
            other = delimiter_of(lines[0][1])
            hint = f"; is data.delimiter {other!r}?" if len(header) == 1 and other != delimiter else ""
            raise DataError(f"{path} has no column {name!r}: it has {', '.join(header)}{nearest(name, header)}{hint}")
    for number, row in lines[1:]:
        if len(row) != len(header):
            raise DataError(f"{path}, line {number}: {len(row)} values for {len(header)} columns")
    return {name: [row[i].strip() for _, row in lines[1:]] for i, name in enumerate(header)}, lines[1:]


def delimiter_of(header: Sequence[str]) -> str:
    """Return what stands most often between the names in a first line, which may be one piece."""
    line = ",".join(header)
    return max(_DELIMITERS, key=line.count)


def is_number(value: str) -> bool:
    """Return whether a value is a number; nan is none, but a gap."""
    try:
        return float(value) == float(value)
    except ValueError:
        return False


def is_whole(value: str) -> bool:
    """Return whether a value is a whole number."""
    return value.lstrip("+-").isdigit()


def gaps_in(values: Sequence[str], text: bool) -> list[bool]:
    """Return where a value is missing: of text, which may be any word, where it is empty."""
    return [value == "" if text else value.lower() in GAPS for value in values]


def is_text(values: Sequence[str]) -> bool:
    """Return whether some value is neither a number nor missing."""
    return not all(is_number(value) or value.lower() in GAPS for value in values)


def _without_gaps(
    path: Path, columns: Mapping[str, list[str]], lines: list[Line], categories: Collection[str]
) -> tuple[dict[str, list[str]], list[Line]]:
    """The rows that lack nothing."""
    lacking = [gaps_in(values, name in categories or is_text(values)) for name, values in columns.items()]
    kept = [not any(row) for row in zip(*lacking, strict=True)]
    if not any(kept):
        raise DataError(f"{path}: every row lacks a value, and data.missing drops them: ignore a column, or fill")
    rows = {name: [one for one, keep in zip(values, kept, strict=True) if keep] for name, values in columns.items()}
    return rows, [line for line, keep in zip(lines, kept, strict=True) if keep]


def _categories(path: Path, name: str, values: list[str]) -> tuple[str, ...]:
    found = tuple(sorted(set(values) - {""}))
    if 2 * len(found) > len(values):
        raise DataError(
            f"{path}: column {name!r} has {len(found)} values in {len(values)} rows: categories need several rows of "
            "each; name it in data.ignore"
        )
    return found


def _numeric(path: Path, name: str, values: list[str], lines: list[Line], fill: bool = False) -> Array:
    """The numbers of a column; where one is missing nan, if they are to be filled."""
    for value, (line, _) in zip(values, lines, strict=True):
        gap = value.lower() in GAPS
        if is_number(value) or (gap and fill):
            continue
        if gap:
            found = "is empty" if not value else f"has {value!r}"
            raise DataError(f"{path}, line {line}: column {name!r} {found}: {_GAP}")
        raise DataError(
            f"{path}, line {line}: column {name!r} has {value!r}, which is no number: name the column in "
            "data.categories (each of its values becomes an input) or in data.ignore"
        )
    return np.array([float(value) if is_number(value) else np.nan for value in values])


def _target(path: Path, name: str, values: list[str], lines: list[Line], alone: bool) -> Array:
    """Integers or text (classes), or real numbers; several columns are numbers."""
    missing = gaps_in(values, is_text(values))
    if any(missing):
        line = lines[missing.index(True)][0]
        raise DataError(
            f"{path}, line {line}: column {name!r} is empty: every sample needs a target; data.missing: drop leaves "
            "out rows that lack something"
        )
    if not alone:
        return _numeric(path, name, values, lines)
    if all(map(is_whole, values)):
        return np.array([int(value) for value in values])
    return _numeric(path, name, values, lines) if all(map(is_number, values)) else np.array(values)


_GAP = (
    "put a value there, or say data.missing: drop (leaves such rows out) or fill (the training mean stands in), or "
    "name the column in data.ignore"
)
