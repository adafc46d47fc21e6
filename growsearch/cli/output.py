"""Writing to the terminal: results on standard output, everything else on standard error."""

from __future__ import annotations

import json
import shutil
import sys
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.table import Table as RichTable

    from growsearch.report.tables import Table


_WIDTH = 160  # of what is no terminal


def say(message: str) -> None:
    """A message for the user, on standard error, never wrapped or coloured: it may be long and hold paths."""
    typer.echo(message, err=True)


def show(*renderables: Any) -> None:
    """Rich tables, trees and text on standard output."""
    if all(isinstance(one, str) and _is_short(one) for one in renderables):
        typer.echo("\n".join(renderables), nl=bool(renderables))
        return
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:  # a file or a pipe has no width to wrap at
        console = Console(highlight=False, width=_WIDTH)
    for renderable in renderables:
        console.print(renderable, markup=False)  # brackets in a text are brackets


def _is_short(text: str) -> bool:
    """Whether no line of a text has to be wrapped."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else _WIDTH
    return text.isascii() and all(len(line) <= width for line in text.splitlines())


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
