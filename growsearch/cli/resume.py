"""`growsearch resume`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from growsearch.cli.handling import handled
from growsearch.cli.options import AllowImport, Device, Json, OnDevice, Quiet, Workers

Folder = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run or comparison.")]


@handled
def resume(
    run: Folder,
    device: OnDevice = Device.auto,
    workers: Workers = None,
    as_json: Json = False,
    quiet: Quiet = False,
    allow_import: AllowImport = False,
) -> None:
    """Continue an interrupted run or comparison from its folder."""
    from growsearch.config import load_config
    from growsearch.errors import InputError

    path = run / "config.yaml"
    if not path.is_file():
        raise InputError(f"{run}: is not a run folder: there is no {path} (allowed: a folder made by run or compare)")
    config = load_config(path, allow_import=allow_import)
    from growsearch.cli.train import train

    train(config, run, device, workers, as_json, quiet)
