"""`growsearch compare`."""

from __future__ import annotations

from functools import partial

from growsearch.cli.handling import handled
from growsearch.cli.loading import loading
from growsearch.cli.options import (
    Address,
    AllowImport,
    Device,
    Devices,
    DryRun,
    Executor,
    File,
    Json,
    Log,
    OnDevice,
    OnExecutor,
    Out,
    Quiet,
    Seeds,
    Sets,
    Workers,
    cluster_of,
)


@handled
def compare(
    file: File,
    out: Out = None,
    set_: Sets = None,
    seeds: Seeds = None,
    device: OnDevice = Device.auto,
    devices: Devices = None,
    workers: Workers = None,
    executor: OnExecutor = Executor.local,
    address: Address = None,
    log: Log = None,
    as_json: Json = False,
    quiet: Quiet = False,
    dry_run: DryRun = False,
    allow_import: AllowImport = False,
) -> None:
    """Train every policy of FILE with every seed and say which did best, at what cost."""
    with loading():
        from growsearch.config import load_config
    from growsearch.errors import InputError

    cluster = cluster_of(executor, address)
    config = load_config(file, set_ or [], seeds, allow_import)
    if not config.policies:
        raise InputError(
            f"{config.path}: there are no policies to compare: add `policies: {{name: {{overrides}}}}`, "
            f"or train the file itself with: growsearch run {file}"
        )
    if dry_run:
        from growsearch.cli.dry_run import dry_run as show_plan

        show_plan(config, as_json)
        return
    from growsearch import comparison
    from growsearch.cli.train import default_folder, train

    folder = out or default_folder(config.name)
    run = partial(comparison.compare, config, folder, device.value, workers, loggers=log or [], devices=devices or 1)
    train(lambda progress: run(progress=progress, cluster=cluster), folder, allow_import, as_json, quiet)
