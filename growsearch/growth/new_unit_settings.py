"""How new units are treated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from growsearch.errors import InputError

Scope = Literal["new", "all"]
Rate = Literal["base", "cohort"]


@dataclass(frozen=True)
class Rewarm:
    """After an event the learning rate rises linearly again over `steps` steps, of the new weights or of all."""

    steps: int
    scope: Scope = "new"

    def __post_init__(self) -> None:
        if self.steps < 1 or self.scope not in ("new", "all"):
            raise InputError(f"{self}: steps must be at least 1, scope new or all")


@dataclass(frozen=True)
class NewUnitSettings:
    """How new units are treated.

    `age`: steps that a unit trains, from when it was new or split, before it may be split or removed. `boost`: factor
    of the learning rate of new weights, for `steps` steps. `learning_rate`: "cohort" gives the weights of each event a
    rate of their own (see `UpdateFactors`), at least `floor` of the base rate: without that, weights that start at 0
    would stay there. `rewarm`: a warm-up after each event.
    """

    age: int = 0
    boost: float = 1.0
    steps: int = 0
    learning_rate: Rate = "base"
    floor: float = 0.1
    rewarm: Rewarm | None = None

    def __post_init__(self) -> None:
        if self.age < 0 or self.steps < 0 or not self.boost > 0 or not 0 <= self.floor <= 1:
            raise InputError(f"{self}: age and steps must be at least 0, boost above 0, floor between 0 and 1")
        if (self.boost == 1) != (self.steps == 0):
            raise InputError(f"{self}: a boost lasts for some steps; give both, or neither")
        if self.learning_rate not in ("base", "cohort"):
            raise InputError(f"{self}: learning_rate must be base or cohort")

    @property
    def scales_updates(self) -> bool:
        """Whether weights learn at rates of their own."""
        return self.boost != 1 or self.learning_rate == "cohort" or self.rewarm is not None
