"""What a first `data` section says of a table: which columns are categories, which are of no use, what is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from growsearch.data.advice import Advice
from growsearch.data.table_file import GAPS, Line, columns_of, delimiter_of, gaps_in, is_number, is_text, is_whole

_MOST_CLASSES = 20  # of a column of whole numbers, or a tenth of the samples
_MOST_CATEGORIES = 20  # each becomes an input


def advise(path: Path, target: str) -> Advice:
    """Look through a .csv file.

    Text with few values is categories, other text and running numbers are ignored, missing values are filled, or where
    the target lacks some their rows dropped. Whole numbers are classes unless told otherwise; where they have very many
    values, they are rather numbers. Raises `DataError` as `read_table` does.
    """
    delimiter = _delimiter(path)
    columns, lines = columns_of(path, (target,), delimiter)
    categories, ignored, reasons, lacking = list[str](), list[str](), list[str](), 0
    for name, values in columns.items():
        present = [one for one, gap in zip(values, gaps_in(values, is_text(values)), strict=True) if not gap]
        if name != target:
            if why := _useless(values, present, lines):
                ignored.append(name)
                reasons.append(f"column {name!r} is left out (data.ignore): {why}")
                continue
            if is_text(values):
                categories.append(name)
                reasons.append(
                    f"column {name!r} has {len(set(present))} values, each of which is an input (data.categories)"
                )
        lacking += len(present) < len(values)
    learned = columns[target]
    found: dict[str, Any] = {"delimiter": delimiter} if delimiter != "," else {}
    found |= {"categories": categories} if categories else {}
    found |= {"ignore": ignored} if ignored else {}
    if any(gaps_in(learned, is_text(learned))):
        found["missing"] = "drop"
        reasons.append(f"column {target!r} lacks values: rows that lack something are dropped (data.missing)")
    elif lacking:
        named = "1 column lacks" if lacking == 1 else f"{lacking} columns lack"
        found["missing"] = "fill"
        reasons.append(f"{named} values, for which the training mean stands in (data.missing)")
    numbers = [one for one in learned if is_number(one)]
    many = len(set(numbers)) > max(_MOST_CLASSES, len(lines) // 10)
    if many and all(map(is_whole, numbers)) and not is_text(learned):
        found["predict"] = "numbers"
    return Advice(found, reasons)


def _useless(values: list[str], present: list[str], lines: list[Line]) -> str:
    """Why a column tells nothing; empty where it may."""
    different = len(set(present))
    if not present:
        return "it has no values"
    if is_text(values):
        if different <= _MOST_CATEGORIES and 2 * different <= len(values):
            return ""
        words = [i for i, one in enumerate(values) if one.lower() not in GAPS and not is_number(one)]
        if 2 * len(words) < len(present):
            found = f"{values[words[0]]!r} in line {lines[words[0]][0]}"
            return f"{len(words)} of its {len(present)} values are no numbers, the first is {found}"
        return f"it is text with {different} values in {len(values)} rows"
    if len(present) == len(values) > 2 and all(map(is_whole, present)):
        numbers = [int(one) for one in present]
        running = all(later - one == 1 for one, later in zip(numbers, numbers[1:], strict=False))
        return "its values count the rows" if running else ""
    return ""


def _delimiter(path: Path) -> str:
    """What separates the names in the first line; a comma where it cannot be read, which is told later."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            return delimiter_of([file.readline()])
    except (OSError, UnicodeDecodeError):
        return ","
