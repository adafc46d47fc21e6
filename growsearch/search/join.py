"""Join a study that was begun elsewhere, with one worker or several."""

from __future__ import annotations

from growsearch.errors import InputError
from growsearch.execution.environment import core_count
from growsearch.search.device_slots import device_slots
from growsearch.search.local import WorkerPool, run_workers, stopped_by_signals
from growsearch.search.queue import finished
from growsearch.search.race import is_over
from growsearch.search.study import Reference, open_study
from growsearch.search.trial import Train, train_for_search
from growsearch.search.worker import work
from growsearch.training.precision import resolve_device


def join(
    reference: Reference,
    device: str = "auto",
    workers: int | None = None,
    slots: int | None = None,
    train: Train = train_for_search,
) -> int:
    """Work on an existing study until it is done; how many trials are finished then.

    Raises `InputError` where there is no such study, or its run folder cannot be seen from here, and
    `KeyboardInterrupt` where this process is interrupted or told to end: its trials are requeued with a checkpoint.

    Args:
        reference: the study, and how to reach it.
        device: that trials compute on.
        workers: how many in all.
        slots: workers for each GPU.
        train: trains one seed.
    """
    there = device_slots(device, workers, slots, on_cpu=1)
    study = open_study(reference)
    if not study.folder.is_dir():
        raise InputError(
            f"the run folder of study {study.name!r}, {study.folder}, is not there: mount it on this machine, or say "
            "where it is with --out"
        )
    if len(there) == 1:
        stop = stopped_by_signals()
        work(study, str(resolve_device(device)), stop, train=train)
        if stop.is_set():
            raise KeyboardInterrupt
    elif not is_over(study):
        run_workers(WorkerPool(reference, there, max(1, core_count() // len(there)), train), study, lambda: None)
    return len(finished(study.trials()))
