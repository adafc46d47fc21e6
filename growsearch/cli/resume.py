"""`growsearch resume`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from growsearch.cli import completing
from growsearch.cli.handling import handled
from growsearch.cli.options import (
    Address,
    AllowImport,
    Device,
    Devices,
    Executor,
    Json,
    Log,
    OnDevice,
    OnExecutor,
    Quiet,
    Workers,
    cluster_of,
)
from growsearch.runs.layout import CONFIG, SEARCH

Folder = Annotated[
    Path,
    typer.Argument(
        metavar="RUN", help="The folder of a run, comparison or search.", autocompletion=completing.run_folders
    ),
]


@handled
def resume(
    run: Folder,
    device: OnDevice = Device.auto,
    devices: Devices = None,
    workers: Workers = None,
    executor: OnExecutor = Executor.local,
    address: Address = None,
    log: Log = None,
    as_json: Json = False,
    quiet: Quiet = False,
    allow_import: AllowImport = False,
) -> None:
    """Continue an interrupted run, comparison or search from its folder.

    By default on as many devices as before, and a search with as many workers, where the machine has as many cores.
    """
    from growsearch.config import load_config, load_space
    from growsearch.errors import InputError

    cluster, path = cluster_of(executor, address), run / CONFIG
    if not path.is_file():
        raise InputError(
            f"{run}: is not a run folder: there is no {path} (allowed: one made by run, compare or search)"
        )
    if (run / SEARCH).is_file():
        if devices is not None:
            raise InputError(f"{run}: a search trains each trial on one device: give --workers in place of --devices")
        from growsearch.cli.search import Where, run_search
        from growsearch.execution.environment import recorded_workers

        if workers is None and cluster is None:
            workers = recorded_workers(run)
        run_search(
            load_space(path, allow_import=allow_import), Where(run), device, workers, None, as_json, quiet, log, cluster
        )
        return
    config = load_config(path, allow_import=allow_import)
    from growsearch import comparison
    from growsearch.cli.train import train
    from growsearch.runs.environment import recorded_devices

    several = devices or recorded_devices(run)
    compare = partial(comparison.compare, config, run, device.value, workers, loggers=log or [], devices=several)
    train(lambda progress: compare(progress=progress, cluster=cluster), run, allow_import, as_json, quiet)
