"""Run every policy with every seed, and write what came out."""

from __future__ import annotations

import shutil
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
from growsearch.execution.cluster import Cluster, Connection
from growsearch.execution.environment import core_count, describe_environment
from growsearch.execution.executor import Executor, Local, OnCluster, ground, needed
from growsearch.execution.forecast import forecast_warnings, forecasts
from growsearch.execution.job import OfRun, Watcher
from growsearch.execution.preflight import checked_and_ordered
from growsearch.execution.signals import terminated_as_interrupted
from growsearch.loggers import check_loggers
from growsearch.runs.environment import read_environment, write_environment
from growsearch.runs.events import JobsStarted
from growsearch.runs.files import write_atomically, write_json
from growsearch.runs.layout import CONFIG, ENVIRONMENT, RESULTS, beginnings_folder
from growsearch.runs.lock import held
from growsearch.runs.reading import DamagedFile, read_yaml
from growsearch.training.beginnings import spared
from growsearch.training.several_devices import require_devices

_FREE = ("seeds", "reference", "controls")  # may change in a folder: finished runs stay valid


def compare(
    config: RunConfig,
    folder: Path,
    device: str = "auto",
    workers: int | None = None,
    progress: Watcher | None = None,
    loggers: Sequence[str] = (),
    devices: int = 1,
    cluster: Cluster | None = None,
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
    packages, the cluster or the devices are not there or cannot share a run, or the folder holds another configuration
    or is in use.
    Scripts that call this with several workers or devices need the `if __name__ == "__main__":` guard.

    Args:
        config: with policies and seeds.
        folder: of the run.
        device: "auto", "cpu" or "cuda".
        workers: how many runs at a time.
        progress: is told of all runs.
        loggers: names.
        devices: that train each run together.
        cluster: on whose nodes the runs are; None for this machine.
    """
    check_loggers(loggers)
    if devices > 1 and (workers or 1) > 1:
        raise InputError(
            f"--workers {workers} with {devices} devices for each run: runs take all of them, so they go one after the "
            "other: leave --workers out, or give --devices 1"
        )
    reference_of(config.policy_configs(), config.reference)
    with ground(cluster, device, devices) as (connection, compute_device):
        if connection is None:
            require_devices(compute_device, devices)
        else:
            folder = folder.resolve()  # nodes may work elsewhere
        jobs = planned_jobs(config, folder, compute_device, loggers, devices)
        with held(folder):
            _claim(folder, config)
            results = _run(config, folder, jobs, workers, connection, progress or _silent)
            write_json(folder / RESULTS, results)
    return results


def _run(
    config: RunConfig,
    folder: Path,
    jobs: list[ArmJob],
    workers: int | None,
    connection: Connection | None,
    watch: Watcher,
) -> dict[str, Any]:
    """Run what is not finished; the content of `results.json`."""
    policies = config.policy_configs()
    open_jobs = checked_and_ordered([job for job in jobs if job.open])
    device, devices = jobs[0].device, jobs[0].devices
    executor = _executor(folder, len(open_jobs), workers, jobs[0], connection)
    begun = {job.arm for job in open_jobs}
    warned = forecast_warnings(forecasts({name: one for name, one in policies.items() if name in begun}))

    def write() -> None:
        now = describe_environment(device, executor.workers, executor.threads, config.seeds, devices, executor.nodes())
        write_environment(folder, now)

    write()
    finished = len(jobs) - len(open_jobs)
    watch(JobsStarted(len(jobs), finished, executor.workers, tuple(warned), devices=devices))
    try:
        with terminated_as_interrupted():
            failures = executor.run(open_jobs, watch)
    finally:
        if executor.nodes():
            write()
    failures = [failure for failure in failures if not failure.tolerated]
    arms = [job for job in jobs if not job.pilot]
    results = gather(arms, failures, reference_of(policies, config.reference), tuning(arms))
    if not failures:
        shutil.rmtree(beginnings_folder(folder), ignore_errors=True)
    return {**results, "spared": spared(job.folder for job in arms)}


def _executor(folder: Path, runs: int, workers: int | None, job: ArmJob, connection: Connection | None) -> Executor:
    """Where so many runs, such as `job`, are to be.

    Args:
        folder: of the comparison.
        runs: that are not finished.
        workers: as asked for.
        job: one of them.
        connection: to a cluster; None for this machine.
    """
    if connection is not None:
        return OnCluster(connection, folder, needed(connection, job.device, runs, _recorded(folder, 1)), workers)
    cores = core_count()
    if job.devices > 1:
        workers = 1
    count = max(1, min(workers or (cores if job.device == "cpu" else 1), runs))
    return Local(count, _threads(folder, count, job.devices, cores), job.devices)


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
    found = _recorded(folder, devices)
    if 0 < found * workers * devices <= cores:
        return found
    return max(1, torch.get_num_threads() // devices) if workers == 1 else max(1, cores // workers)


def _recorded(folder: Path, devices: int) -> int:
    """CPU threads of each process of the folder's earlier runs on so many devices; 0 where there are none."""
    try:
        if (folder / ENVIRONMENT).exists() and (there := read_environment(folder)).devices == devices:
            return there.threads_per_worker
    except DamagedFile as error:
        warnings.warn(f"{error}; it is written anew", DamageWarning, stacklevel=5)
    return 0


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


def _silent(event: JobsStarted | OfRun) -> None:
    """For callers that do not watch."""
