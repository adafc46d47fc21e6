"""The audit of one growth event: every branch with every seed, compared."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch

from growsearch.audit.branch import BranchJob, branch_key
from growsearch.audit.records import Audit, Branch
from growsearch.audit.repeat import state_before
from growsearch.audit.sentence import audit_sentence
from growsearch.audit.target import Target
from growsearch.audit.variant import Variant
from growsearch.audit.verdict import along, comparisons, main_metric
from growsearch.config import RunConfig
from growsearch.data import load_data
from growsearch.errors import GrowsearchError, InputError
from growsearch.execution.cluster import Cluster, Connection
from growsearch.execution.environment import core_count
from growsearch.execution.executor import Executor, Local, OnCluster, ground, needed
from growsearch.execution.job import Failure, OfRun, Watcher
from growsearch.runs.events import JobsStarted
from growsearch.runs.files import write_json
from growsearch.runs.layout import RESULTS, audit_folder
from growsearch.runs.lock import held
from growsearch.statistics import ENOUGH_SEEDS, seeds_needed
from growsearch.writing import make_folder

REPEAT = "repeat"  # the policy that the repeated run goes by
_MARKS = 10  # evaluations of a branch, besides those of the run


def audit_event(
    target: Target,
    number: int,
    variants: Sequence[Variant],
    seeds: int | None = None,
    steps: int | None = None,
    device: str = "auto",
    workers: int | None = None,
    progress: Watcher | None = None,
    cluster: Cluster | None = None,
) -> Audit:
    """Branch before event `number`, train every branch with every seed, and compare `with` to the others.

    `steps` after the event, by default up to the next event or for an epoch, whichever is longer; `seeds` by default
    as many as it takes to call a difference. Finished branches are kept. `progress` gets the events of the repeated
    run (policy `repeat`) and of the branches, as `growsearch.comparison.compare` gives them.

    The outcome is also the event's `results.json`. Raises `InputError` where the event or the settings do not fit, or
    another audit of the run is going on, and `GrowsearchError` where no branch could be finished.

    Args:
        target: the run.
        number: of the event, from 1.
        variants: what is done at the event, by name.
        seeds: of every branch.
        steps: that the branches go on.
        device: that they compute on.
        workers: how many at a time.
        progress: is told of all runs.
        cluster: on whose nodes the branches are; None for this machine.
    """
    watch = progress or _silent
    recorded = target.event(number)
    total, epoch = _length(target.config, target.seed)
    steps = horizon(target, number, steps, total, epoch)
    count = seeds or max(ENOUGH_SEEDS, seeds_needed(len(variants) - 1))
    home = target.audit_folder(number)
    make_folder(home)
    with held(audit_folder(target.folder)), ground(cluster, device) as (connection, compute_device):
        tell = partial(OfRun, REPEAT, target.seed)
        here = compute_device if connection is None else "auto"
        snapshot, repetition = state_before(target, number, here, lambda event: watch(tell(event)))
        marks = _marks(target, recorded.step, steps)
        jobs = [
            _job(target, number, one, seed, snapshot, marks, compute_device)
            for seed in range(count)
            for one in variants
        ]
        failures = _run(target, jobs, workers, connection, watch)
        if not failures:
            shutil.rmtree(home / "work", ignore_errors=True)
    branches = [_gathered(one, [job for job in jobs if job.variant == one]) for one in variants]
    _require_some(branches, failures)
    compared = comparisons(branches)
    audit = Audit(
        policy=target.policy,
        seed=target.seed,
        event=number,
        step=recorded.step,
        steps=steps,
        metric=main_metric(branches),
        sentence=audit_sentence(number, recorded.plain(), steps, branches, compared),
        recorded=recorded.plain(),
        repetition=repetition,
        reproduced=_reproduced(target, number, branches),
        branches=branches,
        comparisons=compared,
        along=along(branches),
        failures=[asdict(failure) for failure in failures],
    )
    write_json(home / RESULTS, asdict(audit))
    return audit


def horizon(target: Target, number: int, steps: int | None, total: int, epoch: int) -> int:
    """How many steps the branches go on after an event: as asked, but not beyond the end of the training.

    By default up to the next event (after the last one, as far as from the one before it) or an epoch, whichever is
    longer.

    Args:
        target: the run.
        number: of the event, from 1.
        steps: as asked; None: by default.
        total: steps of the training.
        epoch: steps of an epoch.
    """
    step = target.event(number).step
    if steps is None:
        times = [0, *(event.step for event in target.events)]
        reach = times[number + 1] - step if number + 1 < len(times) else step - times[number - 1]
        return int(max(1, min(max(reach, epoch), total - step)))
    if steps > total - step:
        raise InputError(
            f"--steps {steps}: event {number} is at step {step}, and the training ends {total - step} steps later: "
            f"give at most {total - step}"
        )
    return steps


def _length(config: RunConfig, seed: int) -> tuple[int, int]:
    """Steps of the training, and of an epoch."""
    training, samples = config.training, len(load_data(config.data, seed, config.allow_import).train)
    epoch = -(-samples // (training.batch_size or samples))
    return training.steps or (training.epochs or 0) * epoch, epoch


def _marks(target: Target, step: int, steps: int) -> tuple[int, ...]:
    """Steps after the event at which branches are evaluated: where the run was, and between where that is seldom."""
    own = {row.step - step for row in target.rows if 0 < row.step - step <= steps}
    even = {round(steps * part / _MARKS) for part in range(1, _MARKS + 1)} if len(own) < _MARKS // 2 else {steps}
    return tuple(sorted((own | even) - {0}))


def _job(
    target: Target, number: int, variant: Variant, seed: int, snapshot: Path, marks: tuple[int, ...], device: str
) -> BranchJob:
    step, home = target.event(number).step, target.audit_folder(number)
    key = f"{variant.key}-seed-{seed}-{branch_key(target.fingerprint, variant, step, marks, seed)}"
    return BranchJob(
        policy=variant.name,
        seed=seed,
        config=target.config,
        folder=home / "work" / key,
        device=device,
        variant=variant,
        snapshot=snapshot,
        result=home / "branches" / f"{key}.json",
        run_seed=target.seed,
        step=step,
        marks=marks,
    )


def _run(
    target: Target, jobs: Sequence[BranchJob], workers: int | None, connection: Connection | None, watch: Watcher
) -> list[Failure]:
    """Run the branches that are not finished, as many at a time as there are workers."""
    make_folder(jobs[0].result.parent)
    left = [job for job in jobs if not job.result.exists()]
    device = jobs[0].device
    if connection is not None:
        need = needed(connection, device, len(left), target.threads or torch.get_num_threads())
        executor: Executor = OnCluster(connection, target.folder, need, workers)
    else:
        count, each = _shares(target, workers, device)
        executor = Local(max(1, min(count, len(left))), each)
    watch(JobsStarted(len(jobs), len(jobs) - len(left), executor.workers, what="branches"))
    return executor.run(left, watch)


def _shares(target: Target, workers: int | None, device: str) -> tuple[int, int]:
    """Branches at a time, and CPU threads of each: as many as the run had, so that its own branch repeats it."""
    own, cores = target.threads or torch.get_num_threads(), core_count()
    if workers is None:
        return (max(1, cores // own) if device == "cpu" else 1), own
    return workers, own if workers == 1 else max(1, cores // workers)


def _gathered(variant: Variant, jobs: Sequence[BranchJob]) -> Branch:
    results = [result for job in jobs if (result := job.branch_result()) is not None]
    return Branch(
        name=variant.name,
        kind=variant.kind,
        where=results[0].where if results else "",
        how=results[0].how if results else "",
        seeds=[result.seed for result in results],
        parameters=[result.parameters for result in results],
        training_flops=[result.training_flops for result in results],
        effects=[result.effect for result in results],
        rows=[result.rows for result in results],
    )


def _require_some(branches: Sequence[Branch], failures: Sequence[Failure]) -> None:
    if not branches[0].seeds or not any(one.seeds for one in branches[1:]):
        reasons = "; ".join(sorted({f"{failure.policy}: {failure.reason}" for failure in failures}))
        raise GrowsearchError(f"no seed has finished with the event and without it: {reasons}")


def _reproduced(target: Target, number: int, branches: Sequence[Branch]) -> bool | None:
    """Whether `with`, continuing the run's own random streams, is what the run recorded up to the next event."""
    branch = branches[0]
    if 0 not in branch.seeds:
        return None
    event = target.event(number)
    last = target.events[number].step if number < len(target.events) else float("inf")
    recorded = {row.step - event.step: row for row in target.rows if row.step < last}
    rows, effect = branch.rows[branch.seeds.index(0)], branch.effects[branch.seeds.index(0)]
    pairs = [(recorded[row["step"]], row) for row in rows if row["step"] in recorded and row["step"] > 0]
    keys = [key for key in ("validation_loss", "validation_accuracy") if key in rows[0]]
    if not pairs or not keys:
        return None
    same = effect is not None and effect.sites == event.sites
    return same and all(one.value(key) == two[key] for one, two in pairs for key in keys)


def _silent(event: JobsStarted | OfRun) -> None:
    """For callers that do not watch."""
