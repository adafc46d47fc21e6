"""Jobs that have not begun: some wait for others."""

from __future__ import annotations

from collections.abc import Sequence

from growsearch.execution.job import Failure, Job


class Waiting:
    """Jobs in their order, each to be had once the run that it needs has finished."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._jobs = list(jobs)
        self._open = {_key(job) for job in jobs}

    def __bool__(self) -> bool:
        return bool(self._jobs)

    def take(self) -> Job | None:
        """The first job that can begin; None where there is none now."""
        for index, job in enumerate(self._jobs):
            if job.after is None or _key(job.after) not in self._open:
                return self._jobs.pop(index)
        return None

    def done(self, job: Job, failure: Failure | None) -> list[tuple[Job, Failure]]:
        """Let begin what waits for `job`, or, where it failed, fail it too; the jobs that failed now."""
        self._open.discard(_key(job))
        if failure is None:
            return []
        found = [(job, failure)]
        for other in [one for one in self._jobs if one.after is not None and _key(one.after) == _key(job)]:
            self._jobs.remove(other)
            reason = f"{job.policy} seed {job.seed}, which it is a control of, failed: {failure.reason}"
            found += self.done(other, Failure(other.policy, other.seed, reason))
        return found


def _key(job: Job) -> tuple[str, int]:
    return job.policy, job.seed
