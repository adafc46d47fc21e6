"""`growsearch doctor`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from growsearch.cli.handling import BAD_INPUT, handled
from growsearch.cli.options import STORAGES, Json
from growsearch.cli.output import emit, show

Storage = Annotated[
    str | None, typer.Option(metavar="STORAGE", help=f"Look at it too: {STORAGES}.", show_default=False)
]


@handled
def doctor(storage: Storage = None, as_json: Json = False) -> None:
    """Look at Python, torch, GPUs, memory, disk, plugins and extras: what works here, and what to do about the rest."""
    from growsearch.execution.diagnosis import diagnose

    found = list(diagnose(storage))
    if as_json:
        emit(list(map(asdict, found)))
    else:
        from rich.table import Table
        from rich.text import Text

        table = Table("", "", "found", "what to do")
        for one in found:
            table.add_row(*map(Text, (one.what, one.state, one.found, one.advice)))
        show(table)
    if any(one.state == "problem" for one in found):
        raise typer.Exit(BAD_INPUT)
