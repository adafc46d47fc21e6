"""`growsearch report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from growsearch.cli import completing
from growsearch.cli.handling import handled
from growsearch.cli.options import AllowImport, Json, Quiet
from growsearch.cli.output import emit, show

Folder = Annotated[
    Path,
    typer.Argument(
        metavar="RUN", help="The folder of a run, comparison or search.", autocompletion=completing.run_folders
    ),
]
Formats = Annotated[
    list[str] | None,
    typer.Option("--format", metavar="NAME", help="html, markdown, latex, csv; repeatable.", show_default="html"),
]
Out = Annotated[Path | None, typer.Option(metavar="DIR", help="Where to.", show_default="RUN", file_okay=False)]


@handled
def report(
    run: Folder,
    format_: Formats = None,
    out: Out = None,
    as_json: Json = False,
    quiet: Quiet = False,
    allow_import: AllowImport = False,
) -> None:
    """Write the report of a finished folder anew, or its tables and curves for other programs."""
    from growsearch.report import write_reports

    files = write_reports(run, format_ or ["html"], out, allow_import)
    if as_json:
        emit({"folder": str(run), "files": [str(path) for path in files]})
    elif not quiet:
        show(*(f"report: {path}" for path in files))
