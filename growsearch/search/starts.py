"""What a search is told to try first: points by name, files, and the best trials of an older search."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from growsearch.errors import InputError
from growsearch.runs.layout import SEARCH
from growsearch.search.space import plain_of, point_from, point_with

_BEST = 5  # trials of an older search


def starts(
    data: Mapping[str, Any],
    entries: Sequence[str | Mapping[str, Any]],
    allow_import: bool = False,
    where: Callable[[int], str] = "search.start.{}".format,
) -> dict[str, dict[str, Any]]:
    """Return the points of the space that `search.start` names, each by a name, without those that come again.

    A mapping has parameters by their names, and the others stand in the middle of their ranges. Of a file, and of the
    best five trials of an older search, is taken what the space leaves open; such trials outside it are left out.

    Args:
        data: with its ranges.
        entries: mappings, files, and run folders.
        allow_import: whether the network of a file may be any importable callable.
        where: how messages name an entry, by its number.

    Raises:
        InputError: entries cannot be read, or nothing of them lies in the space; a line for each.
    """
    found: dict[str, dict[str, Any]] = {}
    problems = []
    for number, entry in enumerate(entries):
        try:
            points = list(_points(data, entry, allow_import))
        except LookupError as error:
            problems.append(f"{where(number)}: {error.args[0]}")
            continue
        for place, point in enumerate(points):
            if point not in found.values():
                found[f"start {number}" + (f".{place}" if len(points) > 1 else "")] = point
    if problems:
        raise InputError("\n".join(problems))
    return found


def _points(data: Mapping[str, Any], entry: str | Mapping[str, Any], allow_import: bool) -> Iterator[dict[str, Any]]:
    if isinstance(entry, Mapping):
        yield point_with(data, entry)
    elif (Path(entry) / SEARCH).is_file():
        yield from _best_of(data, Path(entry))
    elif Path(entry).is_file():
        from growsearch.config import load_config

        yield point_from(data, load_config(entry, allow_import=allow_import).to_dict())
    else:
        raise LookupError(f"{entry} is neither a file nor the folder of a search")


def _best_of(data: Mapping[str, Any], folder: Path) -> list[dict[str, Any]]:
    """The best trials of an older search that lie in the space; `LookupError` where none does."""
    from growsearch.search.ranking import ranked
    from growsearch.search.run import open_folder

    older = open_folder(folder)
    found, outside = [], f"{folder} has no finished trial"
    for trial in ranked(older, older.trials())[:_BEST]:
        plain = trial.user_attrs.get("plain") or plain_of(older.plan.data, trial.params)
        try:
            found.append(point_from(data, plain))
        except LookupError as error:
            outside = f"none of the best trials of {folder} lies in the space: {error.args[0]}"
    if not found:
        raise LookupError(outside)
    return found
