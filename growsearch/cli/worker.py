"""`growsearch worker`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from growsearch.cli.handling import INTERRUPTED, handled
from growsearch.cli.options import STORAGES, Device, Json, Log, OnDevice, Quiet, Slots
from growsearch.cli.output import emit, say

Storage = Annotated[str, typer.Option(metavar="STORAGE", help=f"Where the study is kept: {STORAGES}.")]
Name = Annotated[str, typer.Option("--study", metavar="NAME", help="The study's name, as in search.json.")]
Out = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="The run folder, as this machine sees it.", show_default="as search made it"),
]
Workers = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Processes.", show_default="one; on CUDA one a GPU")
]


@handled
def worker(
    storage: Storage,
    study: Name,
    out: Out = None,
    device: OnDevice = Device.auto,
    workers: Workers = None,
    slots: Slots = None,
    log: Log = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Work on a study that `growsearch search` has begun, beside its other workers, until nothing is left of it."""
    from growsearch.loggers import check_loggers
    from growsearch.search.join import join
    from growsearch.search.study import Reference
    from growsearch.search.trial import train_for_search

    check_loggers(log or [])
    train = partial(train_for_search, loggers=tuple(log or []))
    try:
        finished = join(Reference(storage, study, out), device.value, workers, slots, train)
    except KeyboardInterrupt as interrupt:
        say("interrupted; other workers go on with what was begun here")
        raise typer.Exit(INTERRUPTED) from interrupt
    if as_json:
        emit({"study": study, "finished": finished})
    elif not quiet:
        say(f"study {study!r} is done: {finished} trials are finished")
