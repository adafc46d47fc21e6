"""What every scheduler has to keep."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest

from growsearch.growth import Scheduler
from growsearch.growth.policy import strategy as made
from growsearch.testing.subjects import SUBJECTS
from growsearch.testing.training import GrowingRun, resumed, same

_STEPS = 12
_SUBJECT = SUBJECTS[0]


class SchedulerLaws:
    """Subclass it and set `strategy` to what a `Grower` takes as `when`: an object, a name, or `{name: parameters}`."""

    strategy: ClassVar[Any]

    @pytest.fixture
    def when(self) -> Scheduler:
        """The scheduler under test; override it to try several."""
        found: Scheduler = made(Scheduler, "when", self.strategy)  # type: ignore[type-abstract]
        return found

    def test_asking_changes_nothing(self, when: Scheduler) -> None:
        """Asked twice, it answers twice the same, and what it looks at is as before."""
        run = _run(when)
        for _ in range(_STEPS):
            run.train(1)
            progress = run.grower.progress
            before = progress.state_dict()
            assert when.due(progress) == when.due(progress)
            assert when.events_left(progress) == when.events_left(progress)
            assert progress.state_dict() == before

    def test_it_counts_its_events_down(self, when: Scheduler) -> None:
        """Where it tells how many are left: one less after each event, and none once there are no more."""
        run = _run(when)
        left = []
        for _ in range(_STEPS):
            grew = bool(run.train(1))
            count = when.events_left(run.grower.progress)
            if count is None:
                return
            left.append((grew, count))

        assert all(count >= 0 for _, count in left)
        assert all(after <= before for (_, before), (_, after) in zip(left, left[1:], strict=False))

    def test_the_same_run_grows_at_the_same_steps(self, when: Scheduler) -> None:
        """It draws nothing from a global generator and does not look at a clock."""
        steps = [[event.step for event in _run(when).train(_STEPS)] for _ in range(2)]

        assert steps[0] == steps[1]

    @pytest.mark.parametrize("after", [3, 7])
    def test_a_run_is_resumed_bit_for_bit(self, when: Scheduler, after: int, tmp_path: Path) -> None:
        """It decides by what is in the checkpoint."""
        whole = _run(when)
        whole.train(_STEPS)

        again = resumed(after, _STEPS, tmp_path / "checkpoint.pt", _SUBJECT, **_policy(when))

        assert again.grower.progress.events == whole.grower.progress.events
        assert same(again.state(), whole.state())


def _policy(when: Scheduler) -> dict[str, Any]:
    return {"when": when, "how": "random", "amount": 0.25, "total_steps": _STEPS, "steps_per_epoch": 4}


def _run(when: Scheduler) -> GrowingRun:
    return GrowingRun(_SUBJECT, **_policy(when))
