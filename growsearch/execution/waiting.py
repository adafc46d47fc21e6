"""Jobs that have not begun: some wait for others."""

from __future__ import annotations

from collections.abc import Sequence

from growsearch.execution.job import Failure, Job


class Waiting:
    """Jobs in their order, each to be had once the runs that it needs have finished."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._jobs = list(jobs)
        self._open = {_key(job) for job in jobs}

    def __bool__(self) -> bool:
        return bool(self._jobs)

    def take(self) -> Job | None:
        """The first job that can begin; None where there is none now."""
        for index, job in enumerate(self._jobs):
            if self._open.isdisjoint(map(_key, job.after)):
                return self._jobs.pop(index)
        return None

    def done(self, job: Job, failure: Failure | None) -> list[tuple[Job, Failure]]:
        """Let begin what waits for `job`, or, where it failed, fail it too; the jobs that failed now."""
        self._open.discard(_key(job))
        if failure is None:
            return []
        found = [(job, failure)]
        if failure.tolerated:
            return found
        for other in [one for one in self._jobs if _key(job) in map(_key, one.after)]:
            if _key(other) not in self._open:  # failed already, by another one that it waited for
                continue
            self._jobs = [one for one in self._jobs if _key(one) != _key(other)]
            reason = f"{job.policy} seed {job.seed}, which it needs, failed: {failure.reason}"
            found += self.done(other, Failure(other.policy, other.seed, reason))
        return found


def _key(job: Job) -> tuple[str, int]:
    return job.policy, job.seed
