"""Runs in MLflow, at the tracking server or store that MLflow itself is set to."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from typing import Any

from growsearch.loggers.base import LoggedRun, Logger, final_numbers, growth_numbers, row_numbers
from growsearch.runs.records import GrowthLine, MetricsRow, RunResult

KEPT = "mlflow.json"
EXPERIMENT = "MLFLOW_EXPERIMENT_NAME"
_IN_EVERY_ROW, _IN_EVERY_EVENT = "parameters", "growth/parameters_after"
_LONGEST = 6000  # characters of a parameter's value
_MOST_PARAMETERS, _MOST_METRICS = 100, 1000  # in a call
_EVERY = 5.0  # seconds between two calls: a store that is a file takes 50 ms for each, which a short run would feel


class MLflowLogger(Logger):
    """An MLflow run: the configuration as parameters, rows and growth events as metrics by step, the result at the end.

    Its id is kept in the run's folder, so that a resumed run goes on in it, with what it does not have yet.
    """

    needs = ("mlflow",)
    extra = "mlflow"

    def __init__(self, run: LoggedRun) -> None:
        from mlflow import MlflowClient

        self._client = MlflowClient()
        self._kept = run.folder / KEPT
        self._id = self._begun(run) or self._create(run)
        self._rows = len(self._client.get_metric_history(self._id, _IN_EVERY_ROW))
        self._events = len(self._client.get_metric_history(self._id, _IN_EVERY_EVENT))
        self._waiting: list[Any] = []
        self._sent = -_EVERY
        self._status = "KILLED"

    def row(self, row: MetricsRow) -> None:
        """Metrics named as in `metrics.jsonl`."""
        self._rows -= 1
        if self._rows < 0:
            self._metrics(row_numbers(row), row.step)

    def growth(self, event: GrowthLine) -> None:
        """Metrics under `growth`."""
        self._events -= 1
        if self._events < 0:
            self._metrics(growth_numbers(event), event.step)

    def finish(self, result: RunResult) -> None:
        """Metrics under `final`."""
        self._metrics(final_numbers(result), result.steps)
        self._status = "FINISHED"

    def close(self) -> None:
        """All metrics, and the run's state; a resumed one runs again."""
        self._send()
        self._client.set_terminated(self._id, self._status)

    def _begun(self, run: LoggedRun) -> str | None:
        """The MLflow run that was begun for this very run; None where there is none, or it was deleted."""
        from mlflow.exceptions import MlflowException

        kept = json.loads(self._kept.read_text()) if self._kept.exists() else {}
        if kept.get("identity") != run.identity:
            return None
        try:
            self._client.update_run(kept["run"], status="RUNNING")
        except MlflowException:
            return None
        return str(kept["run"])

    def _create(self, run: LoggedRun) -> str:
        from mlflow.entities import Param

        tags = {"growsearch.folder": str(run.folder.resolve())}
        created: str = self._client.create_run(self._experiment(), run_name=run.name, tags=tags).info.run_id
        parameters = [Param(key, str(value)[:_LONGEST]) for key, value in run.parameters.items()]
        for start in range(0, len(parameters), _MOST_PARAMETERS):
            self._client.log_batch(created, params=parameters[start : start + _MOST_PARAMETERS])
        self._kept.write_text(json.dumps({"run": created, "identity": run.identity}))
        return created

    def _experiment(self) -> str:
        """The experiment that the environment names, or `growsearch`; made where there is none."""
        from mlflow.exceptions import MlflowException

        name = os.environ.get(EXPERIMENT, "growsearch")
        found = self._client.get_experiment_by_name(name)
        if found is None:
            try:
                return str(self._client.create_experiment(name))
            except MlflowException:  # another run has just made it
                found = self._client.get_experiment_by_name(name)
                if found is None:
                    raise
        return str(found.experiment_id)

    def _metrics(self, values: Mapping[str, float], step: int) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._waiting += [Metric(key, value, now, step) for key, value in values.items()]
        if time.monotonic() - self._sent >= _EVERY:
            self._send()

    def _send(self) -> None:
        for start in range(0, len(self._waiting), _MOST_METRICS):
            self._client.log_batch(self._id, metrics=self._waiting[start : start + _MOST_METRICS])
        self._waiting, self._sent = [], time.monotonic()
