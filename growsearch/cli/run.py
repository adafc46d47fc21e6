"""`growsearch run`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from growsearch.cli.handling import handled
from growsearch.cli.loading import loading
from growsearch.cli.options import (
    AllowImport,
    Device,
    Devices,
    DryRun,
    File,
    Json,
    Log,
    OnDevice,
    Out,
    Quiet,
    Seeds,
    Sets,
    Workers,
)
from growsearch.errors import InputError
from growsearch.registry import nearest

if TYPE_CHECKING:
    from growsearch.config import RunConfig

Policy = Annotated[str | None, typer.Option(metavar="NAME", help="Which policy of FILE to run, where it has policies.")]


@handled
def run(
    file: File,
    policy: Policy = None,
    out: Out = None,
    set_: Sets = None,
    seeds: Seeds = None,
    device: OnDevice = Device.auto,
    devices: Devices = None,
    workers: Workers = None,
    log: Log = None,
    as_json: Json = False,
    quiet: Quiet = False,
    dry_run: DryRun = False,
    allow_import: AllowImport = False,
) -> None:
    """Train one network as FILE describes, growing it on the way."""
    with loading():
        from growsearch.config import load_config

    config = choose(load_config(file, set_ or [], seeds, allow_import), policy, file)
    if dry_run:
        from growsearch.cli.dry_run import dry_run as show_plan

        show_plan(config, as_json)
        return
    from growsearch import comparison
    from growsearch.cli.train import default_folder, train

    folder = out or default_folder(config.name)
    run = partial(comparison.compare, config, folder, device.value, workers, loggers=log or [], devices=devices or 1)
    train(lambda progress: run(progress=progress), folder, allow_import, as_json, quiet)


def choose(config: RunConfig, policy: str | None, file: str) -> RunConfig:
    """The file with the policy that was asked for and no other; without policies it is one itself."""
    known = list(config.policies)
    if policy is None and known:
        raise InputError(
            f"{config.path}: has the policies {', '.join(known)}: choose one with --policy NAME, "
            f"or run them all with: growsearch compare {file}"
        )
    if policy is None:
        return config
    if policy not in known:
        allowed = ", ".join(known) or "none: the file has no policies"
        raise InputError(f"{config.path}: unknown policy {policy!r} (allowed {allowed}){nearest(policy, known)}")
    return config.only(policy)
