"""Where others can come in while a run trains."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from growsearch.runs.records import GrowthLine, MetricsRow
    from growsearch.training.loop import TrainingRun


class TrainingHooks:
    """What is called at the turning points of a run; by default nothing happens there.

    A hook may look at the run (`run.setup`, `run.counters`), save it, and end it by raising an exception; what it
    computes must leave no trace in the network, the optimizer and the random streams.
    """

    def before_growth(self, run: TrainingRun) -> None:
        """Called between the optimizer step and the growth step, whether one is due or not."""

    def after_growth(self, run: TrainingRun, line: GrowthLine) -> None:
        """Called when a growth event has happened, or was refused, and is in the growth log."""

    def on_row(self, run: TrainingRun, row: MetricsRow) -> None:
        """Called when a row of metrics was written."""
