"""`growsearch search`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from growsearch.cli.handling import FAILED, INTERRUPTED, handled
from growsearch.cli.options import (
    STORAGES,
    Address,
    AllowImport,
    Device,
    DryRun,
    Executor,
    File,
    Json,
    Log,
    OnDevice,
    OnExecutor,
    Out,
    Quiet,
    Sets,
    Slots,
    cluster_of,
)
from growsearch.cli.output import as_rich, emit, say, show
from growsearch.number_format import plural, show_measure

if TYPE_CHECKING:
    from growsearch.config import Space
    from growsearch.execution.cluster import Cluster

_SHOWN = 100  # trials in the terminal's table

Trials = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="A budget of N trials in all, finished ones and the race included.",
        show_default="the file's",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Trials at the same time.", show_default="one a core; on CUDA one a GPU"),
]
Seeds = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Seeds 0 to N-1 for every trial.", show_default="the file's"),
]
Storage = Annotated[
    str | None,
    typer.Option(metavar="STORAGE", help=f"Where the study is kept: {STORAGES}.", show_default="in the run folder"),
]
Name = Annotated[
    str | None, typer.Option("--study", metavar="NAME", help="The study's name there.", show_default="the file's")
]

Imports = Annotated[
    list[Path] | None,
    typer.Option(
        "--import",
        metavar="RUN",
        help="Take over an older search's trials: those that train the same as finished, else the best to begin with. "
        "Repeatable.",
    ),
]


@handled
def search(
    file: File,
    trials: Trials = None,
    out: Out = None,
    set_: Sets = None,
    seeds: Seeds = None,
    device: OnDevice = Device.auto,
    workers: Workers = None,
    slots: Slots = None,
    executor: OnExecutor = Executor.local,
    address: Address = None,
    storage: Storage = None,
    study: Name = None,
    import_: Imports = None,
    log: Log = None,
    as_json: Json = False,
    quiet: Quiet = False,
    dry_run: DryRun = False,
    allow_import: AllowImport = False,
) -> None:
    """Search the ranges of FILE: train one trial after the other, each chosen by how those before it did."""
    from growsearch.config import load_space

    cluster = cluster_of(executor, address)
    overrides = [*(set_ or [])]
    overrides += [f"search.trials={trials}", "search.budget=null"] if trials is not None else []
    overrides += [f"search.seeds={seeds}"] if seeds is not None else []
    space = load_space(file, overrides, allow_import=allow_import)
    if dry_run:
        from growsearch.cli.search_plan import show_search_plan

        show_search_plan(space, device.value, workers, as_json)
        return
    from growsearch.cli.train import default_folder

    target = Where(out or default_folder(space.path.stem), storage, study)
    run_search(space, target, device, workers, slots, as_json, quiet, log, cluster, import_ or ())


@dataclass(frozen=True)
class Where:
    """Where a search is kept: its run folder, and the storage and name of its study, None for what the folder says."""

    folder: Path
    storage: str | None = None
    study: str | None = None


def run_search(
    space: Space,
    where: Where,
    device: Device,
    workers: int | None,
    slots: int | None = None,
    as_json: bool = False,
    quiet: bool = False,
    log: list[str] | None = None,
    cluster: Cluster | None = None,
    imports: Sequence[Path] = (),
) -> None:
    """Run or continue a search in a folder; print the best trial and where the report is.

    Ends with exit code 3 where no trial can be chosen and 130 where it was interrupted: what is finished is kept.
    """
    from growsearch.cli.search_table import SearchProgress

    folder = where.folder
    try:
        with SearchProgress(folder.name, quiet) as progress:
            from growsearch.loggers import check_loggers  # a few seconds, of which something is to be seen
            from growsearch.search import search
            from growsearch.search.trial import train_for_search

            check_loggers(log or [])
            train, own = partial(train_for_search, loggers=tuple(log or [])), (where.storage, where.study)
            told = (lambda sentence: None) if quiet else say
            results = search(space, folder, device.value, workers, progress, *own, slots, train, cluster, imports, told)
    except KeyboardInterrupt as interrupt:
        say(f"interrupted; what is finished is kept. Continue with: growsearch resume {folder}")
        raise typer.Exit(INTERRUPTED) from interrupt
    from growsearch.report.search_page import write_search_report

    report = write_search_report(folder)
    if as_json:
        emit({"folder": str(folder), "report": str(report), **results})
    elif not quiet:
        _show_results(results, report)
    if not results["best"]:
        say(_why_none(results))
        raise typer.Exit(FAILED)


def _show_results(results: dict[str, Any], report: Path) -> None:
    from rich.table import Table

    from growsearch.report.search_page import ending, ranked_numbers, rung_sentences

    trials = {trial["number"]: trial for trial in results["trials"]}
    named = [number for number, trial in trials.items() if "baseline" in trial]
    measures = [measure for objective in results["objectives"] for measure in objective.values()]
    table = Table("trial", "", *measures, *(one for one in ("parameters", "training_flops") if one not in measures))
    shown = ranked_numbers(results)
    for number in shown[:_SHOWN]:
        trial = trials[number]
        measured = trial["measures"] or {}
        words = [*(["best"] if number in results["best"] else []), *([trial["baseline"]] if number in named else [])]
        words += [trial["start"]] if "start" in trial else []
        words += ["taken over"] if "imported" in trial else []
        words += ["breaks a constraint"] if trial["feasible"] is False else []
        columns = [*measures, *(one for one in ("parameters", "training_flops") if one not in measures)]
        cells = [show_measure(column, measured[column]) if column in measured else trial["state"] for column in columns]
        table.add_row(str(number), ", ".join(words), *cells)
    states = [trial["state"] for trial in results["trials"]]
    counts = [f"{states.count(state)} {word}" for state, word in (("pruned", "pruned"), ("fail", "failed"))]
    more = [f"and {len(shown) - _SHOWN} more trials, in the report and in results.json"] if len(shown) > _SHOWN else []
    more += [ending(results), *rung_sentences(results)]
    show(
        table,
        *more,
        f"{plural(len(states), 'trial')}, {', '.join(counts)}; measured on validation data, the test set is unread",
    )
    if results["race"]:
        from growsearch.report.search_page import race_sentence, race_table

        show(as_rich(race_table(results)), *([sentence] if (sentence := race_sentence(results)) else []))
    for file in results["files"]:
        show(f"as a run file: {file}")
    show(f"report: {report}")


def _why_none(results: dict[str, Any]) -> str:
    """Why no trial could be chosen."""
    measured = [trial for trial in results["trials"] if trial["constraints"]]
    if measured:
        least = min(measured, key=lambda trial: sum(max(0.0, excess) for excess in trial["constraints"].values()))
        broken = ", ".join(f"{name} by {excess:.0%}" for name, excess in least["constraints"].items() if excess > 0)
        return f"no trial keeps the constraints; trial {least['number']} is the nearest, and breaks {broken}"
    if all(trial["state"] == "waiting" for trial in results["trials"]):
        return "no trial could begin: the first costs more than search.budget leaves beside the race: give more"
    failures = results["failures"]
    first = f": {failures[0]['reason']}" if failures else ""
    return f"no trial was completed: {len(failures)} failed{first}"
