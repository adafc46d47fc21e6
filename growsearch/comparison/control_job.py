"""A control of a growing policy's run: it begins when that run has finished."""

from __future__ import annotations

from dataclasses import dataclass

from growsearch.comparison.controls import RETRAINED, Control
from growsearch.config import RunConfig
from growsearch.config.models import GrowthConfig
from growsearch.errors import GrowsearchError
from growsearch.execution.job import Job
from growsearch.execution.trial import estimated_flops
from growsearch.runs.events import Progress
from growsearch.runs.records import RunResult
from growsearch.training import Architecture, finished_result, require_retrainable, run_one
from growsearch.training.setup import set_up


@dataclass(frozen=True, kw_only=True)
class ControlJob(Job):
    """A control's run; `origin` is the run of the growing policy with the same seed, `config` is without growth."""

    control: Control
    origin: Job

    @property
    def retrains(self) -> bool:
        """Whether it trains the architecture that the origin ended with."""
        return self.control.retrains

    @property
    def after(self) -> Job:
        """See `Job.after`."""
        return self.origin

    def finished(self) -> RunResult | None:
        """Return the result, where it belongs to what the origin is now."""
        if self.origin.finished() is None:
            return None
        return finished_result(self.folder, self._resolved(), self.seed, self._architecture())

    def preflight(self) -> float:
        """It costs as much as its origin; a network that is trained anew has to be one that can be initialised anew."""
        setup = set_up(self.origin.config, self.seed, "cpu")
        if self.retrains:
            require_retrainable(self.config, setup.data.input_shape, setup.data.outputs)
        return estimated_flops(setup)

    def run(self, progress: Progress) -> None:
        """Train the network that the origin has made known, for as long."""
        run_one(
            self._resolved(),
            self.seed,
            self.folder,
            self.device,
            progress,
            loggers=self.loggers,
            architecture=self._architecture(),
        )

    def _resolved(self) -> RunConfig:
        """The configuration, at equal compute with the FLOPs that the origin has used."""
        if self.control.kind == RETRAINED:
            return self.config
        result = self.origin.finished()
        if result is None:
            raise GrowsearchError(f"{self.origin.folder} has no result any more: run the comparison again")
        length = {"epochs": None, "steps": None, "flops": float(result.training_flops)}
        return self.config.model_copy(update={"training": self.config.training.model_copy(update=length)})

    def _architecture(self) -> Architecture | None:
        return Architecture.of(self.origin.folder) if self.retrains else None


def control_jobs(controls: list[Control], jobs: list[Job]) -> list[ControlJob]:
    """A job for every control and every seed of its policy."""
    configs = {job.policy: job.config for job in jobs}
    return [
        ControlJob(
            control.name,
            job.seed,
            configs[control.network].model_copy(update={"growth": GrowthConfig()}),
            job.folder.parents[1] / control.name / job.folder.name,
            job.device,
            loggers=job.loggers,
            control=control,
            origin=job,
        )
        for control in controls
        for job in jobs
        if job.policy == control.of
    ]
