"""What is heard of a run: its heartbeats, its values at rungs, and whether it is to stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

import optuna

from growsearch.runs.events import RowDone, RunEvent, RunStarted, StepDone, TrainingStopped
from growsearch.runs.records import MetricsRow
from growsearch.search.allowance import Allowance
from growsearch.search.leases import Lease
from growsearch.search.rung_quality import rung_quality
from growsearch.search.study import PASSED, RACE, SPARED, USED, Study
from growsearch.training import Interrupted


class Lost(Exception):
    """The trial was given to another worker, because this one gave no heartbeat."""


class Runner(Protocol):
    """Who runs the trial: of which study, until when, and who else is told that it got on."""

    @property
    def study(self) -> Study: ...

    @property
    def stop(self) -> threading.Event: ...

    @property
    def watch(self) -> Callable[[], None]: ...


class Monitor:
    """Called with the events of a run: reports at rungs, prunes, and stops what is to stop."""

    def __init__(
        self,
        runner: Runner,
        trial: optuna.Trial,
        lease: Lease,
        seed: int,
        flops: float | None = None,
        allowance: Allowance | None = None,
        before: float = 0.0,
    ) -> None:
        """Watch the run of a seed.

        Args:
            runner: of the trial.
            trial: that is told.
            lease: that is kept.
            seed: of the run.
            flops: that end it; None where steps do.
            allowance: what the trial may use of the budget; None for what it likes.
            before: training FLOPs of the seeds before.
        """
        self._flops, self._allowance, self._before = flops, allowance, before
        self._latest: MetricsRow | None = None
        self._overdrawn = False
        self._runner, self._trial, self._lease = runner, trial, lease
        plan = runner.study.plan
        self._seed = seed
        lease.note = {"seed": seed, "reached": [seed, 0], USED: before}
        self._measure = plan.search.aims[0][1]
        at_rungs = (
            plan.search.pruned_by in ("asha", "hyperband", "median") and seed == 0 and RACE not in trial.user_attrs
        )
        done = runner.study.storage.get_trial(trial._trial_id).intermediate_values
        self._reported = set(done)
        self._rungs = plan.rungs if at_rungs else {}

    def __call__(self, event: RunEvent) -> None:
        if self._lease.lost.is_set():
            raise Lost
        match event:
            case RunStarted(step, total_steps):  # from a checkpoint: the worker before got as far as that
                self._note(step=step, total_steps=total_steps, reached=[self._seed, step])
                self._lease.got_on()
            case StepDone(step, total_steps):
                self._note(step=step, total_steps=total_steps)
            case TrainingStopped(training_flops):
                self._note(**{USED: self._before + training_flops})
            case RowDone(row, total_steps):
                value = row.value(self._measure)
                known = {} if value is None else {self._measure: value}
                known[USED] = self._before + row.training_flops
                self._note(step=row.step, total_steps=total_steps, reached=[self._seed, row.step], **known)
                self._lease.got_on()
                self._overdrawn = self._overdrawn or not self._is_paid(row, total_steps)
                self._at_rung(
                    row,
                    total_steps,
                    last=row.step >= total_steps and self._seed == self._runner.study.plan.search.seeds - 1,
                )
        self._runner.watch()
        if isinstance(event, StepDone) and self._is_to_stop():  # between steps: a checkpoint can be written
            raise Interrupted

    def _is_to_stop(self) -> bool:
        late = self._allowance is not None and time.monotonic() >= self._allowance.until
        return late or self._overdrawn or self._runner.stop.is_set()

    def _is_paid(self, row: MetricsRow, total_steps: int) -> bool:
        """Whether the budget has room for the rest of the trial, where it turns out to cost more than was foreseen.

        The network costs at least as much to the end of the run as it did since the row before, growing left out, and
        other seeds as much as this one.
        """
        before, self._latest = self._latest, row
        if self._allowance is None or before is None or self._flops is not None or row.step <= before.step:
            return True
        grown = row.growth_flops - before.growth_flops
        pace = (row.training_flops - before.training_flops - grown) / (row.step - before.step)
        run = row.training_flops + pace * (total_steps - row.step)
        to_come = 0 if RACE in self._trial.user_attrs else self._runner.study.plan.search.seeds - 1 - self._seed
        return self._allowance.covers(self._before + run * (1 + to_come), used=self._before + row.training_flops)

    def _note(self, **told: Any) -> None:
        """What the next heartbeat tells beside the worker."""
        self._lease.note = {**self._lease.note, **told}

    def value(self, value: float, step: int, last: bool) -> None:
        """Report a value once, and end the trial where the pruner says so.

        Baselines are never ended, no trial at its `last` step (all that it costs is spent), and none at a rung that
        tells too little about the end.
        """
        if step not in self._reported:
            self._reported.add(step)
            self._trial.report(value, step)
        # A worker may have died between that and what follows: until it is settled, it is asked again.
        passed = self._trial.user_attrs.get(PASSED, [])
        if last or "baseline" in self._trial.user_attrs or step in passed:
            return
        if self._trial.should_prune():
            if not self._is_spared(step):
                raise optuna.TrialPruned
            spared = self._trial.user_attrs.get(SPARED, [])
            self._trial.set_user_attr(SPARED, sorted({*spared, step}))
        self._trial.set_user_attr(PASSED, [*passed, step])

    def _is_spared(self, step: int) -> bool:
        """Whether the rank correlation from a rung to the end, by the trials so far, is too low to end trials there."""
        study = self._runner.study
        return step in self._rungs and rung_quality(self._rungs, study.trials())[step].holds_back

    def _at_rung(self, row: MetricsRow, total_steps: int, last: bool) -> None:
        """Report at the first evaluation at or behind a rung; where FLOPs end a trial, they say where it is."""
        value = row.value(self._measure)
        if value is None:
            return
        place = row.step / total_steps if self._flops is None else row.training_flops / self._flops
        for step, share in self._rungs.items():
            if place >= share:
                self.value(value, step, last)
