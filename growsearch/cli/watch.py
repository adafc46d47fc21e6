"""`growsearch watch`."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from growsearch.cli import completing
from growsearch.cli.handling import handled
from growsearch.cli.options import Json
from growsearch.cli.output import emit, say, show
from growsearch.number_format import counted, decimal, show_measure

if TYPE_CHECKING:
    from rich.table import Table

    from growsearch.runs.live import LiveRun, LiveTraining

Folder = Annotated[
    Path,
    typer.Argument(
        metavar="RUN", help="The folder of a run, comparison or search.", autocompletion=completing.run_folders
    ),
]
Web = Annotated[bool, typer.Option("--web", help="A page in the browser, on this machine only, instead.")]
Port = Annotated[int, typer.Option(min=0, max=65535, metavar="PORT", help="With --web; 0: any free one.")]

_EVERY = 2.0  # seconds
_MOST = 20  # trainings in the table


@handled
def watch(run: Folder, web: Web = False, port: Port = 8050, as_json: Json = False) -> None:
    """Watch a run, comparison or search while it runs: what trains, how well, and what grew. Changes nothing.

    Without a terminal it says once how things stand.
    """
    if as_json:
        from growsearch.report.live import live_state

        emit(live_state(run))
    elif web:
        from growsearch.report.live import HOST, make_live_server

        with make_live_server(run, port) as server, suppress(KeyboardInterrupt):
            say(f"watching {run} at http://{HOST}:{server.server_address[1]}/ (Ctrl-C ends it)")
            server.serve_forever()
    elif sys.stdout.isatty():
        _follow(run)
    else:
        from growsearch.runs.live import live_run  # imports torch, which --help does without

        show(_table(live_run(run, _MOST)))


def _follow(run: Path) -> None:
    """Until Ctrl-C."""
    from rich.live import Live

    from growsearch.runs.live import live_run

    with suppress(KeyboardInterrupt), Live(_table(live_run(run, _MOST)), auto_refresh=False) as shown:
        while True:
            time.sleep(_EVERY)
            shown.update(_table(live_run(run, _MOST)), refresh=True)


def _table(run: LiveRun) -> Table:
    from rich.table import Table
    from rich.text import Text

    from growsearch.runs.live import STATES

    who = f"process {run.holder.process} on {run.holder.host}" if run.holder else "nobody is at work on it"
    counts = ", ".join(f"{run.count(state)} {state}" for state in STATES if run.count(state))
    table = Table(title=f"{run.folder}: {who}", caption=counts or "nothing has been logged yet")
    for title in ("training", "state", "step", "training loss", "validation", "parameters", "grew", "seconds"):
        table.add_column(title, justify="left" if title in ("training", "state", "validation") else "right")
    for one in run.trainings:
        table.add_row(*map(Text, _cells(one)))
    return table


def _cells(one: LiveTraining) -> tuple[str, ...]:
    grew = str(sum(not line.refused for line in one.events))
    if not one.rows:
        return (one.name, one.state, "", "", "", "", grew, "")
    row = one.rows[-1]
    loss = "" if row.train_loss is None else decimal(row.train_loss)
    measured = [
        f"{name.removeprefix('validation_')} {show_measure(name, value)}"
        for name, value in row.metrics.items()
        if value
    ]
    seconds = f"{row.seconds:,.0f}"
    return (one.name, one.state, f"{row.step:,}", loss, ", ".join(measured), counted(row.parameters), grew, seconds)
