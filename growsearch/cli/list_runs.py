"""`growsearch list`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from growsearch.cli.handling import handled
from growsearch.cli.options import Json
from growsearch.cli.output import emit, say, show
from growsearch.number_format import show_measure

if TYPE_CHECKING:
    from growsearch.runs.overview import RunSummary

Folder = Annotated[Path, typer.Argument(metavar="[DIR]", help="A folder of run folders.")]


@handled
def list_runs(folder: Folder = Path("runs"), as_json: Json = False) -> None:
    """List the runs in a folder: what each is, its state, what was best, when it last wrote, its size on disk."""
    from growsearch.runs.overview import run_folders, summarise

    found = [summarise(each) for each in run_folders(folder)]
    if as_json:
        emit([{**asdict(one), "folder": str(one.folder), "changed": one.changed.isoformat()} for one in found])
        return
    if not found:
        say(f"{folder}: there are no run folders in it")
        return
    from rich.table import Table

    table = Table("run", "kind", "state", "trained", "best", "", "last written", "on disk")
    for one in sorted(found, key=lambda one: one.changed):
        trained = f"{one.finished:,}"
        table.add_row(one.folder.name, _kind(one), one.state, trained, one.best or "", _value(one), *_ends(one))
    show(table)


def _kind(one: RunSummary) -> str:
    """What it is, and how often growth events in it were audited."""
    return f"{one.kind}, {one.audits} {'audit' if one.audits == 1 else 'audits'}" if one.audits else one.kind


def _value(one: RunSummary) -> str:
    if one.value is None or one.metric is None:
        return ""
    return f"{one.metric.replace('_', ' ')} {show_measure(one.metric, one.value)}"


def _ends(one: RunSummary) -> tuple[str, str]:
    return f"{one.changed:%Y-%m-%d %H:%M}", f"{one.bytes / 1e6:,.1f} MB"
