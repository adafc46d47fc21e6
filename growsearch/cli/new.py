"""`growsearch new`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from growsearch.cli.handling import handled
from growsearch.cli.options import Json
from growsearch.cli.output import emit, say

What = Annotated[Literal["strategy", "data", "network", "rule"], typer.Argument(help="What the package adds.")]
Name = Annotated[str, typer.Argument(help="Its name in files, and the package's: small letters, words joined by _.")]
Of = Annotated[
    Literal["how", "where", "when"] | None,
    typer.Option("--kind", help="Of a strategy: how units start (the default), where to grow, or when."),
]
Out = Annotated[Path | None, typer.Option(metavar="DIR", help="The new folder; by default NAME, here.")]


@handled
def new(what: What, name: Name, kind: Of = None, out: Out = None, as_json: Json = False) -> None:
    """Write the skeleton of a package of your own: a strategy, a data set, a network or an operation.

    It holds a small example that works, the entry point that makes it known,
    and a test that runs the laws which it has to keep. Change the example, and
    see that the test still passes.
    """
    from growsearch.errors import InputError
    from growsearch.installing import command_for
    from growsearch.scaffolding import write_package

    if kind is not None and what != "strategy":
        raise InputError(f"--kind {kind}: only a strategy has a kind, leave it out for {what}")
    folder = out or Path(name)
    written = write_package(kind or "how" if what == "strategy" else what, name, folder)
    if as_json:
        emit({"folder": str(folder), "files": [str(path) for path in written]})
        return
    for path in written:
        say(f"wrote {path}")
    say(f"next: {command_for(f'{folder}[test]', editable=True)} && python -m pytest {folder}")
