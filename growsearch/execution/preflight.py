"""Before anything runs: see that every job can, and in which order they go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from growsearch.errors import InputError
from growsearch.execution.job import Job
from growsearch.execution.memory import enough_to_set_up


def checked_and_ordered(jobs: Sequence[Job]) -> list[Job]:
    """The jobs, the most expensive first, so that no worker is left alone with a long one at the end.

    The first job of every policy or other arm is looked at (`Job.preflight`). Raises `InputError`, naming the arm where
    there are several, where one cannot run.
    """
    costs: dict[str, float] = {}
    for job in jobs:
        if job.arm in costs:
            continue
        several = len({other.arm for other in jobs}) > 1
        try:
            with enough_to_set_up():
                costs[job.arm] = job.preflight()
        except InputError as error:
            raise type(error)(f"policy {job.arm}: {error}" if several else str(error)) from error
    return sorted((replace(job, cost=costs[job.arm]) for job in jobs), key=lambda job: (-job.cost, job.seed))
