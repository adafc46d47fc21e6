"""Which learning rate each policy and control was given, and what its pilot runs came to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from growsearch.comparison.arm_job import ArmJob, best_factor, pilot_losses
from growsearch.comparison.wording import listed


@dataclass(frozen=True)
class TunedArm:
    """A policy or control: its mean validation `losses` by multiple, None where a pilot run diverged.

    `chosen` is the multiple of the lowest, and `learning_rate` what that is; `edge` tells whether it is the lowest or
    highest of the grid.
    """

    losses: tuple[float | None, ...]
    chosen: float | None
    learning_rate: float | None
    edge: Literal["lowest", "highest"] | None


@dataclass(frozen=True)
class Tuning:
    """The multiples tried, on which seeds, and what was chosen for every arm; `warning` names choices at an edge."""

    learning_rates: tuple[float, ...]
    pilot_seeds: tuple[int, ...]
    arms: dict[str, TunedArm]
    warning: str | None


def tuning(jobs: Sequence[ArmJob]) -> Tuning | None:
    """Return what the pilot runs of these jobs have chosen; None where there are none."""
    arms = {job.arm: job for job in jobs if job.pilots}
    if not arms:
        return None
    pilots = next(iter(arms.values())).pilots
    found = {name: _tuned(job) for name, job in arms.items()}
    rates = tuple(dict.fromkeys(pilot.factor for pilot in pilots))
    return Tuning(rates, tuple(dict.fromkeys(pilot.seed for pilot in pilots)), found, _warning(found))


def _tuned(job: ArmJob) -> TunedArm:
    losses = pilot_losses(job.pilots)
    chosen = best_factor(losses)
    rates = sorted(losses)
    edge: Literal["lowest", "highest"] | None = (
        "lowest" if chosen == rates[0] else "highest" if chosen == rates[-1] else None
    )
    rate = None if chosen is None else chosen * float(job.config.training.optimizer["lr"])
    return TunedArm(tuple(losses.values()), chosen, rate, edge)


def _warning(arms: dict[str, TunedArm]) -> str | None:
    parts = [
        f"the {edge} for {listed(names)}"
        for edge in ("lowest", "highest")
        if (names := [name for name, one in arms.items() if one.edge == edge])
    ]
    if not parts:
        return None
    return (
        f"Learning rates at the edge of the grid: {'; '.join(parts)}. One beyond it may be better: widen "
        "tune.learning_rates."
    )
