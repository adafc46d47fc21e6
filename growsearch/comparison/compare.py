"""Run every policy with every seed, and write what came out."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import yaml

from growsearch.comparison.arm_job import ArmJob
from growsearch.comparison.conclusions import reference_of
from growsearch.comparison.planned_jobs import planned_jobs
from growsearch.comparison.results import gather
from growsearch.comparison.tuning import tuning
from growsearch.config import RunConfig
from growsearch.errors import DamageWarning, InputError
from growsearch.execution.environment import core_count, describe_environment
from growsearch.execution.forecast import forecast_warnings, forecasts
from growsearch.execution.job import Failure, Job, OfRun, Watcher, execute, report_failures
from growsearch.execution.preflight import checked_and_ordered
from growsearch.execution.signals import terminated_as_interrupted
from growsearch.execution.waiting import Waiting
from growsearch.execution.workers import run_jobs
from growsearch.loggers import check_loggers
from growsearch.runs.environment import read_environment, write_environment
from growsearch.runs.events import JobsStarted
from growsearch.runs.files import write_atomically, write_json
from growsearch.runs.layout import CONFIG, ENVIRONMENT, RESULTS
from growsearch.runs.lock import held
from growsearch.runs.reading import DamagedFile, read_yaml
from growsearch.training.precision import resolve_device
from growsearch.training.several_devices import require_devices
from growsearch.training.threads import threads

_FREE = ("seeds", "reference", "controls")  # may change in a folder: finished runs stay valid


def compare(
    config: RunConfig,
    folder: Path,
    device: str = "auto",
    workers: int | None = None,
    progress: Watcher | None = None,
    loggers: Sequence[str] = (),
    devices: int = 1,
) -> dict[str, Any]:
    """Run all policies and seeds into `folder`, and return the content of its `results.json`.

    Runs that are finished are kept, interrupted ones continue. On the CPU there are as many workers as cores unless
    `workers` says otherwise, on CUDA one; one worker means this process. With several `devices` runs go one after the
    other, each on all of them: a process each, on its share of every batch. A run that fails is listed under `failures`
    and does not stop the others; only its own controls, which begin when it has finished, fail with it. Where the file
    tunes learning rates, pilot runs go first; one that diverges is no failure. `loggers`
    (names) are told of every run. `progress` gets a `JobsStarted` at the beginning, which warns of policies that cannot
    grow in so short a run, or not to their budget, and then what every run tells (`OfRun`).

    Raises `InputError`, before anything runs, where a policy cannot be set up, a logger is unknown or lacks its
    packages, the devices are not there or cannot share a run, or the folder holds another configuration or is in use.
    Scripts that call this with several workers or devices need the `if __name__ == "__main__":` guard.

    Args:
        config: with policies and seeds.
        folder: of the run.
        device: "auto", "cpu" or "cuda".
        workers: how many runs at a time.
        progress: is told of all runs.
        loggers: names.
        devices: that train each run together.
    """
    check_loggers(loggers)
    compute_device = str(resolve_device(device))
    require_devices(compute_device, devices)
    if devices > 1 and (workers or 1) > 1:
        raise InputError(
            f"--workers {workers} with {devices} devices for each run: runs take all of them, so they go one after the "
            "other: leave --workers out, or give --devices 1"
        )
    policies = config.policy_configs()
    reference_of(policies, config.reference)
    jobs = planned_jobs(config, folder, compute_device, loggers, devices)
    with held(folder):
        _claim(folder, config)
        results = _run(config, folder, jobs, compute_device, workers if devices == 1 else 1, progress or _silent)
        write_json(folder / RESULTS, results)
    return results


def _run(
    config: RunConfig, folder: Path, jobs: list[ArmJob], device: str, workers: int | None, watch: Watcher
) -> dict[str, Any]:
    """Run what is not finished; the content of `results.json`."""
    policies = config.policy_configs()
    open_jobs = checked_and_ordered([job for job in jobs if job.open])
    cores = core_count()
    workers = max(1, min(workers or (cores if device == "cpu" else 1), len(open_jobs)))
    devices = jobs[0].devices
    each = _threads(folder, workers, devices, cores)
    begun = {job.arm for job in open_jobs}
    warned = forecast_warnings(forecasts({name: one for name, one in policies.items() if name in begun}))
    write_environment(folder, describe_environment(device, workers, each, config.seeds, devices))
    finished = len(jobs) - len(open_jobs)
    watch(JobsStarted(len(jobs), finished, workers, tuple(warned), devices=devices))
    with terminated_as_interrupted():
        if workers == 1:
            with threads(each * devices):
                failures = _in_this_process(open_jobs, watch)
        else:
            failures = run_jobs(open_jobs, workers, each, watch)
    failures = [failure for failure in failures if not failure.tolerated]
    arms = [job for job in jobs if not job.pilot]
    return gather(arms, failures, reference_of(policies, config.reference), tuning(arms))


def _threads(folder: Path, workers: int, devices: int, cores: int) -> int:
    """CPU threads of each process of a run: as in the folder already, so that all are as if nothing had happened.

    As fewer runs are left, each could have more; but not fewer than there are, where more workers share the cores. One
    worker is this process, whose threads are its own affair at first; those of several devices share them.

    Args:
        folder: of the runs.
        workers: runs at a time.
        devices: that train each run together.
        cores: of this machine.
    """
    found = 0
    try:
        if (folder / ENVIRONMENT).exists() and (there := read_environment(folder)).devices == devices:
            found = there.threads_per_worker
    except DamagedFile as error:
        warnings.warn(f"{error}; it is written anew", DamageWarning, stacklevel=4)
    if 0 < found * workers * devices <= cores:
        return found
    return max(1, torch.get_num_threads() // devices) if workers == 1 else max(1, cores // workers)


def _claim(folder: Path, config: RunConfig) -> None:
    """Write the configuration into the folder, or see that it is the one that the folder holds.

    More or fewer seeds, another reference or other controls are the same comparison: finished runs stay valid.
    """
    path = folder / CONFIG
    resolved = config.to_dict()
    if path.exists():
        found = read_yaml(path)
        if _without(found, *_FREE) != _without(resolved, *_FREE):
            raise InputError(
                f"{folder} holds the runs of another configuration ({path} differs from the file given): "
                "choose another folder, or give that configuration to continue it"
            )
    text = yaml.safe_dump(resolved, sort_keys=False)
    write_atomically(path, lambda file: file.write(text.encode()))


def _without(config: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key not in keys}


def _in_this_process(jobs: Sequence[Job], watch: Watcher) -> list[Failure]:
    waiting, failures = Waiting(jobs), list[Failure]()
    while (job := waiting.take()) is not None:
        failures += report_failures(waiting.done(job, execute(job, watch)), watch)
    return failures


def _silent(event: JobsStarted | OfRun) -> None:
    """For callers that do not watch."""
