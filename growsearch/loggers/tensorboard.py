"""Event files for TensorBoard, in the run's own folder."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from growsearch.loggers.base import (
    FINAL,
    LoggedRun,
    Logger,
    final_numbers,
    growth_numbers,
    growth_words,
    row_numbers,
)
from growsearch.runs.records import GrowthLine, MetricsRow, RunResult

_EVENTS = "events.out.tfevents.*"
_SHOWN = ("test_accuracy", "test_loss", "parameters", "training_flops", "seconds")  # beside the parameters


class TensorBoardLogger(Logger):
    """Scalars, growth events as text, the configuration and the result for the HParams tab.

    A resumed run gets a new file, with everything since its beginning, in the place of the old one.
    """

    needs = ("tensorboard",)
    extra = "tensorboard"

    def __init__(self, run: LoggedRun) -> None:
        tensorboard: Any = import_module("torch.utils.tensorboard")
        old = list(run.folder.glob(_EVENTS))
        for file in old:
            file.unlink()
        # A program that shows the old file forgets what it has read from it.
        self._writer = tensorboard.SummaryWriter(str(run.folder), purge_step=0 if old else None)
        parameters = {
            key: value for key, value in run.parameters.items() if isinstance(value, bool | int | float | str)
        }
        experiment, begin, self._end = tensorboard.summary.hparams(
            parameters, {f"{FINAL}/{name}": 0.0 for name in _SHOWN}
        )
        self._records = self._writer._get_file_writer()
        for summary in (experiment, begin):
            self._records.add_summary(summary)

    def row(self, row: MetricsRow) -> None:
        """Scalars named as in `metrics.jsonl`."""
        self._scalars(row_numbers(row), row.step)

    def growth(self, event: GrowthLine) -> None:
        """Scalars under `growth`, and the event in words."""
        self._scalars(growth_numbers(event), event.step)
        self._writer.add_text("growth", growth_words(event), event.step)

    def finish(self, result: RunResult) -> None:
        """Scalars under `final`."""
        self._scalars(final_numbers(result), result.steps)
        self._records.add_summary(self._end)

    def close(self) -> None:
        """Everything on the disk."""
        self._writer.close()

    def _scalars(self, values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()
