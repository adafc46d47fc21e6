"""`growsearch audit`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from growsearch.cli import completing
from growsearch.cli.handling import FAILED, INTERRUPTED, handled
from growsearch.cli.options import (
    Address,
    AllowImport,
    Device,
    Executor,
    Json,
    OnDevice,
    OnExecutor,
    Quiet,
    Workers,
    cluster_of,
)
from growsearch.cli.output import as_rich, emit, say, show
from growsearch.errors import InputError
from growsearch.runs.layout import RESULTS, SUMMARY, audit_folder

if TYPE_CHECKING:
    from growsearch.audit import Audit, Repetition, Target

Folder = Annotated[
    Path,
    typer.Argument(metavar="RUN", help="The folder of a run or a comparison.", autocompletion=completing.run_folders),
]
Event = Annotated[int | None, typer.Option(metavar="K", help="Which growth event, from 1.")]
All = Annotated[bool, typer.Option("--all", help="All events instead: what each did at once, and what was predicted.")]
How = Annotated[
    list[str] | None,
    typer.Option(
        metavar="STRATEGY",
        help="Also with this initializer: name or name:{parameter: value}; repeatable.",
        autocompletion=completing.initializers,
    ),
]
Where = Annotated[
    list[str] | None,
    typer.Option(
        metavar="STRATEGY", help="Also with this selector; repeatable, as --how.", autocompletion=completing.selectors
    ),
]
Seeds = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Seeds of every branch.", show_default="as many as it takes to call"),
]
Steps = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Steps after the event.", show_default="to the next event, or an epoch"),
]
Policy = Annotated[str | None, typer.Option(metavar="NAME", help="Which policy of a comparison.")]
Seed = Annotated[int | None, typer.Option(metavar="N", help="Which of its runs.")]


@handled
def audit(
    run: Folder,
    event: Event = None,
    every: All = False,
    how: How = None,
    where: Where = None,
    seeds: Seeds = None,
    steps: Steps = None,
    policy: Policy = None,
    seed: Seed = None,
    device: OnDevice = Device.auto,
    workers: Workers = None,
    executor: OnExecutor = Executor.local,
    address: Address = None,
    as_json: Json = False,
    quiet: Quiet = False,
    allow_import: AllowImport = False,
) -> None:
    """Say what a growth event of a run was worth: go on from just before it with it, without it, and otherwise."""
    from growsearch.audit import find_run, parse_variants

    if (event is None) == (not every):
        raise InputError("audit needs --event K or --all, and not both")
    if every and (how or where or seeds or steps):
        raise InputError("--how, --where, --seeds and --steps are for --event K: --all trains no branches")
    cluster = cluster_of(executor, address)
    variants = parse_variants(how or [], where or [])
    target = find_run(run if cluster is None else run.resolve(), policy, seed, allow_import)
    if event is None:
        _summarize(target, device, as_json, quiet)
        return
    from growsearch.audit import audit_event
    from growsearch.cli.progress import RunProgress

    try:
        with RunProgress(quiet=quiet) as progress:
            found = audit_event(target, event, variants, seeds, steps, device.value, workers, progress, cluster)
    except KeyboardInterrupt as interrupt:
        say("interrupted; the branches that are finished are kept: the same command goes on")
        raise typer.Exit(INTERRUPTED) from interrupt
    path = target.audit_folder(event) / RESULTS
    if as_json:
        emit({"file": str(path), **asdict(found)})
    elif not quiet:
        _show(found, path)
    _end(found)


def _summarize(target: Target, device: Device, as_json: bool, quiet: bool) -> None:
    from growsearch.audit import summarize
    from growsearch.audit.event import REPEAT
    from growsearch.cli.progress import RunProgress
    from growsearch.execution.job import OfRun
    from growsearch.report.audits import calibration_table, events_table

    with RunProgress(quiet=quiet) as progress:
        found = summarize(target, device.value, lambda event: progress(OfRun(REPEAT, target.seed, event)))
    path = audit_folder(target.folder) / SUMMARY
    if as_json:
        emit({"file": str(path), **asdict(found)})
    elif not quiet:
        tables = [events_table(found), *([calibration_table(found)] if found.calibrations else [])]
        show(found.sentence, *map(as_rich, tables))
        _warn(found.repetition)
        show(f"results: {path}")


def _show(found: Audit, path: Path) -> None:
    from growsearch.report.audits import audit_table

    show(found.sentence, as_rich(audit_table(found)))
    _warn(found.repetition)
    if found.repetition.equal and found.reproduced is False:
        say(
            "beware: `with`, in the run's own order, does not quite repeat what the run recorded after the event: "
            "another number of threads (--workers) or devices, a GPU or other versions do that"
        )
    show(f"results: {path}")


def _warn(found: Repetition) -> None:
    """Where what was measured is not quite of the run that was recorded."""
    if not found.equal:
        say(
            f"beware: the repeated run is not the recorded one: at step {found.step} {found.key} is {found.repeated}, "
            f"recorded {found.recorded}. Another machine, another number of threads (--workers) or devices, a GPU "
            "or other versions do that; what is shown is of the repeated run"
        )


def _end(found: Audit) -> None:
    """Exit code 3 where branches failed."""
    for failure in found.failures:
        say(f"failed: {failure['policy']} seed {failure['seed']}: {failure['reason']}")
    if found.failures:
        count = f"{len(found.failures)} branch{'es' if len(found.failures) > 1 else ''} failed"
        say(f"{count}; the others are kept, and the same command tries again")
        raise typer.Exit(FAILED)
