from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from growsearch.config import RunConfig
from growsearch.runs.records import GrowthLine, MetricsRow
from growsearch.training import TrainingHooks, TrainingRun

GROWTH = {"when": {"schedule": {"steps": [6, 12]}}, "how": {"zero": {}}, "budget": {"units": 2}}


class Notes(TrainingHooks):
    """Keeps what happened, and how many parameters there were."""

    def __init__(self) -> None:
        self.notes: list[tuple[str, int, int]] = []

    def before_growth(self, run: TrainingRun) -> None:
        self.notes.append(("before", run.counters.step, run.parameters))

    def after_growth(self, run: TrainingRun, line: GrowthLine) -> None:
        assert line.step == run.counters.step
        self.notes.append(("after", line.step, run.parameters))

    def on_row(self, run: TrainingRun, row: MetricsRow) -> None:
        self.notes.append(("row", row.step, row.parameters))


def test_hooks_come_before_growth_behind_it_and_at_rows(student: Callable[..., RunConfig], tmp_path: Path) -> None:
    hooks = Notes()
    run = TrainingRun(student(growth=GROWTH), 0, tmp_path, "cpu", lambda event: None, hooks=hooks)

    run.train(12)

    run.close()
    # 3, 4 and 5 hidden units between 4 inputs and 3 outputs, without biases; a row every epoch of 3 steps.
    at = [note for note in hooks.notes if note[1] in (6, 12)]
    assert at == [
        *[("before", 6, 21), ("after", 6, 28), ("row", 6, 28)],
        *[("before", 12, 28), ("after", 12, 35), ("row", 12, 35)],
    ]
    assert [step for what, step, _ in hooks.notes if what == "before"] == list(range(1, 13))


def test_a_run_without_checkpoints_writes_none_while_it_trains(
    student: Callable[..., RunConfig], tmp_path: Path
) -> None:
    import growsearch.training.loop as loop

    seconds, loop.CHECKPOINT_SECONDS = loop.CHECKPOINT_SECONDS, 0.0
    try:
        for checkpoints in (True, False):
            folder = tmp_path / str(checkpoints)
            folder.mkdir()
            run = TrainingRun(student(), 0, folder, "cpu", lambda event: None, checkpoints=checkpoints)
            run.train(3)
            run.close()
    finally:
        loop.CHECKPOINT_SECONDS = seconds

    assert (tmp_path / "True" / "checkpoint.pt").exists()
    assert not (tmp_path / "False" / "checkpoint.pt").exists()
