"""Writing to the terminal: results on standard output, everything else on standard error."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.table import Table as RichTable

    from growsearch.report.tables import Table


def say(message: str) -> None:
    """A message for the user, on standard error, never wrapped or coloured: it may be long and hold paths."""
    typer.echo(message, err=True)


def show(*renderables: Any) -> None:
    """Rich tables, trees and text on standard output."""
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:  # a file or a pipe has no width to wrap at
        console = Console(highlight=False, width=160)
    for renderable in renderables:
        console.print(renderable, markup=False)  # brackets in a text are brackets


def as_rich(shown: Table) -> RichTable:
    """Return a table of the report for the terminal, its caption below it."""
    from rich.table import Table as RichTable
    from rich.text import Text

    table = RichTable(caption=Text(shown.caption), caption_justify="left")
    for position, title in enumerate(shown.titles):
        table.add_column(Text(title), justify="right" if position else "left")
    for row in shown.rows:
        table.add_row(*map(Text, row))
    return table


def emit(document: Any) -> None:
    """One JSON document on standard output."""
    json.dump(document, sys.stdout, indent=2, default=str)
    sys.stdout.write("\n")
