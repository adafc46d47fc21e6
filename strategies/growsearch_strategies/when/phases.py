"""Train, change the network, train on."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import Field, model_validator

from growsearch.growth import InputError, Progress, Scheduler


class Phases(Scheduler):
    """Phases of training of one length, with an event between each and the next.

    For methods that learn their candidates at the event, with the network frozen, and may split and remove units in
    the same event: the network then trains on with what was selected. The last share `settle` of the training has no
    event, so that what was added last can train.
    """

    summary: ClassVar[str] = "between phases of training, for methods that learn their candidates"
    source: ClassVar[str] = "Wu et al. 2020, Firefly; Wen et al. 2020, AutoGrow: rounds of training and growing"

    steps: int | None = Field(None, ge=1, description="length of a phase in steps")
    epochs: float | None = Field(None, gt=0, description="length of a phase in epochs, instead of steps")
    count: int | None = Field(None, ge=1, description="number of events; null: until the training settles")
    settle: float = Field(0.2, ge=0, lt=1, description="share of the training, at its end, without events")

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("give exactly one of steps and epochs")
        return self

    def due(self, progress: Progress) -> bool:
        turn, rest = divmod(progress.step, self._length(progress))
        return rest == 0 and turn <= self._events(progress)

    def events_left(self, progress: Progress) -> int | None:
        if self.count is None and progress.total_steps is None:
            return None
        passed = (progress.step - 1) // self._length(progress)
        return max(0, int(self._events(progress)) - passed)

    def _events(self, progress: Progress) -> float:
        limits = [float("inf") if self.count is None else self.count]
        if progress.total_steps is not None:
            # What is added at the very last step could not train.
            last = min(progress.total_steps * (1 - self.settle), progress.total_steps - 1)
            limits.append(last // self._length(progress))
        return min(limits)

    def _length(self, progress: Progress) -> int:
        if self.steps is not None:
            return self.steps
        if progress.steps_per_epoch is None:
            raise InputError("when: phases counts epochs: give steps_per_epoch to the Grower, or phases in steps")
        assert self.epochs is not None
        return max(1, round(self.epochs * progress.steps_per_epoch))
