"""A table as plain text: what the page and every export show."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """Titles of the columns and cells of the rows; the first cell of a row is its title.

    `name` is short and unique in a report (`results`), `caption` says what the table shows and how to read it.
    """

    name: str
    title: str
    caption: str
    titles: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
