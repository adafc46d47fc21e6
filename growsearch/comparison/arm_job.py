"""A run of a comparison, at the learning rate that pilot runs have chosen for its policy or control."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path
from statistics import fmean

from growsearch.config import RunConfig
from growsearch.errors import GrowsearchError, InputError
from growsearch.execution.job import Job
from growsearch.execution.trial import estimated_flops, try_growth
from growsearch.runs.events import Progress
from growsearch.runs.files import write_json
from growsearch.runs.layout import DIVERGED
from growsearch.runs.reading import read_json
from growsearch.runs.records import RunResult
from growsearch.training import Architecture, finished_result, run_one
from growsearch.training.result import fingerprint
from growsearch.training.setup import Setup, set_up
from growsearch.training.several_devices import require_shared


@dataclass(frozen=True, kw_only=True)
class ArmJob(Job):
    """A run of the policy or control `of_arm`, its learning rate times a factor.

    A `pilot` has its own `factor`; it reads no test set, and may diverge. Other runs wait for the `pilots` of their
    arm, where there are any, and take the factor that these chose. `shared` is the folder of runs that may have their
    beginnings in common with it.
    """

    of_arm: str
    factor: float = 1.0
    pilot: bool = False
    pilots: tuple[ArmJob, ...] = ()
    shared: Path | None = None

    @property
    def arm(self) -> str:
        """See `Job.arm`."""
        return self.of_arm

    @property
    def after(self) -> tuple[Job, ...]:
        """See `Job.after`."""
        return self.pilots

    @property
    def open(self) -> bool:
        """See `Job.open`; a pilot run that has diverged is over."""
        return self.finished() is None and not self.diverged

    @property
    def diverged(self) -> bool:
        """Whether it is a pilot run that could not be trained at its learning rate."""
        note = self.folder / DIVERGED
        if not self.pilot or not note.exists():
            return False
        config = self.resolved()
        return config is not None and read_json(note).get("config") == self._key(config)

    def finished(self) -> RunResult | None:
        """Return the result where the run is finished, at the learning rate that is chosen now."""
        config = self.resolved()
        return None if config is None else finished_result(self.folder, config, self.seed, self.architecture())

    def preflight(self) -> float:
        """See `Job.preflight`; choosing a learning rate needs validation data."""
        setup = set_up(self.config, self.seed, "cpu")
        self.require_validation(setup)
        require_shared(setup, self.devices)
        cost = estimated_flops(setup)
        try_growth(setup)
        return cost

    def require_validation(self, setup: Setup) -> None:
        """Raise `InputError` where a learning rate is to be chosen, and there is nothing to choose it by."""
        if setup.validation is None and (self.pilot or self.pilots):
            raise InputError(
                f"tune: learning rates are chosen on validation data, and data {setup.data.name!r} has none: give it a "
                "validation split, or leave tune out"
            )

    def tolerates(self, error: Exception) -> bool:
        """See `Job.tolerates`: at a learning rate that is too high, training diverges or growing fails."""
        return self.pilot and isinstance(error, GrowsearchError)

    def run(self, progress: Progress) -> None:
        """Train to the end; raises `GrowsearchError` where none of the pilot runs got there."""
        config = self.resolved()
        if config is None:
            raise GrowsearchError(
                f"no learning rate has been found for {self.arm}: all its pilot runs diverged or are gone; give "
                "tune.learning_rates smaller ones, or run the comparison again"
            )
        architecture = self.architecture()
        try:
            run_one(
                config,
                self.seed,
                self.folder,
                self.device,
                progress,
                test=not self.pilot,
                loggers=self.loggers,
                architecture=architecture,
                devices=self.devices,
                shared=self.shared,
            )
        except GrowsearchError as error:
            if self.pilot:
                write_json(self.folder / DIVERGED, {"config": self._key(config), "reason": str(error)})
            raise

    def resolved(self) -> RunConfig | None:
        """Return what it trains; None while that is not known."""
        factor = chosen_factor(self.pilots) if self.pilots else self.factor
        return None if factor is None else _at_rate(self.config, factor)

    def architecture(self) -> Architecture | None:
        """Return what it begins with where that is not the configuration's own network."""
        return None

    def _key(self, config: RunConfig) -> str:
        return fingerprint(config, self.seed, self.architecture())


def pilot_losses(pilots: Sequence[ArmJob]) -> dict[float, float | None]:
    """Return the mean validation loss at every factor; None where a run at it diverged, or has not finished."""
    losses: dict[float, list[float | None]] = {}
    for pilot in pilots:
        result = pilot.finished()
        losses.setdefault(pilot.factor, []).append(None if result is None else result.value("validation_loss"))
    known = {factor: [loss for loss in own if loss is not None] for factor, own in losses.items()}
    return {factor: fmean(own) if len(own) == len(losses[factor]) else None for factor, own in known.items()}


def chosen_factor(pilots: Sequence[ArmJob]) -> float | None:
    """Return the factor with the lowest mean validation loss, of equals the one nearest to 1; None without any."""
    return best_factor(pilot_losses(pilots))


def best_factor(losses: Mapping[float, float | None]) -> float | None:
    """Return the factor with the lowest loss, of equals the one nearest to 1; None where there is no loss."""
    known = {factor: loss for factor, loss in losses.items() if loss is not None}
    return min(known, key=lambda factor: (known[factor], abs(log(factor))), default=None)


def _at_rate(config: RunConfig, factor: float) -> RunConfig:
    if factor == 1.0:
        return config
    optimizer = {**config.training.optimizer, "lr": factor * config.training.optimizer["lr"]}
    return config.model_copy(update={"training": config.training.model_copy(update={"optimizer": optimizer})})
