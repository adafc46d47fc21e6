"""Writing to the terminal: results on standard output, everything else on standard error."""

from __future__ import annotations

import json
import sys
from typing import Any

import typer


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
        console.print(renderable)


def emit(document: Any) -> None:
    """One JSON document on standard output."""
    json.dump(document, sys.stdout, indent=2, default=str)
    sys.stdout.write("\n")
