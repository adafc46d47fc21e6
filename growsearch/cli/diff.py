"""`growsearch diff`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from growsearch.cli import completing
from growsearch.cli.handling import handled
from growsearch.cli.options import Json
from growsearch.cli.output import emit, show

if TYPE_CHECKING:
    from growsearch.runs.differences import Difference

One = Annotated[
    Path, typer.Argument(metavar="RUN", help="A run folder, or a YAML file.", autocompletion=completing.run_folders)
]
Other = Annotated[Path, typer.Argument(metavar="RUN", help="Another.", autocompletion=completing.run_folders)]


@handled
def diff(one: One, other: Other, as_json: Json = False) -> None:
    """Show in what two runs differ: their configurations, and the machines and versions that they ran on."""
    from growsearch.runs.differences import configuration_differences, environment_differences

    found = configuration_differences(one, other)
    beside = environment_differences(one, other)
    if as_json:
        emit({"configuration": list(map(asdict, found)), "environment": list(map(asdict, beside))})
        return
    if not found and not beside:
        show("no difference")
    for title, differences in (("configuration", found), ("environment", beside)):
        if differences:
            show(_table(title, differences, one, other))


def _table(title: str, found: Sequence[Difference], one: Path, other: Path) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(title, str(one), str(other))
    for each in found:
        table.add_row(*(Text(str(cell)) for cell in (each.path, each.left, each.right)))
    return table
