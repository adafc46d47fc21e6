"""Leases: how a dead worker's trial is noticed, and how another goes on with it.

A worker gives a heartbeat every few seconds, in its trial's attributes. Who watches needs no clock in common with it:
a lease has run out when the heartbeat has not changed for its whole length, by the watcher's own clock, or at the next
look when the worker was a process of this machine that is no more. The trial then fails, without a reason of its own,
and a copy of it is queued (`resume_of`), which goes on from its checkpoint.
"""

from __future__ import annotations

import math
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from growsearch.search.journal import locked
from growsearch.search.patience import StorageLost
from growsearch.search.study import (
    COST,
    DRAWN,
    LEASE,
    LOST,
    ORDINAL,
    PASSED,
    PRIOR,
    RACE,
    SPARED,
    TRAINS,
    USED,
    Study,
    counts,
)

Clock = Callable[[], float]  # seconds, from any beginning

MOST_DEATHS = 5  # of a trial's workers, none of which got further than those before
HEARTBEATS = 12  # in the length of a lease
_CARRIED = (
    *("baseline", "start", PRIOR, "plain", DRAWN, TRAINS, ORDINAL, RACE, COST, SPARED, PASSED),
    *("deaths", "died_at"),
)
_MOMENT = 0.1  # seconds between two heartbeats, at least, where a trial gets on fast


def worker_name() -> str:
    """Tells workers apart, and lets others on the same machine see whether it lives."""
    return f"{_machine()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


def _machine() -> str:
    """This machine, or this container: processes are only visible in the same process namespace."""
    try:
        namespace = os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        namespace = 0
    return f"{socket.gethostname()}/{namespace}"


def _is_dead(worker: str) -> bool:
    """Whether a worker is known to be dead, because it was a process of this machine."""
    machine, process, _ = worker.rsplit(":", 2)
    if machine != _machine():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


class Lease:
    """A context in which a thread gives heartbeats for a trial; `lost` is set when another was given the trial."""

    def __init__(self, study: Study, trial_id: int, worker: str, clock: Clock = time.monotonic) -> None:
        self._study, self._trial_id, self._worker = study, trial_id, worker
        self._clock = clock
        self._interval = study.plan.search.lease / HEARTBEATS
        self._ended = threading.Event()
        self._beats, self._last = 0, -math.inf
        self._began = clock()
        self._turn = threading.Lock()
        self.lost = threading.Event()
        self.note: dict[str, Any] = {}
        self._thread = threading.Thread(target=self._renew, daemon=True)

    def __enter__(self) -> Self:
        self.beat()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def got_on(self) -> None:
        """Tell how far the trial is, unless that was told a moment ago."""
        if self._clock() - self._last > _MOMENT:
            self.beat()

    def _renew(self) -> None:
        while not self.lost.is_set() and not self._ended.wait(self._interval):
            try:
                self.beat()
            except (OSError, StorageLost):  # a full disk or a lost connection may be over at the next one
                continue

    def beat(self) -> None:
        """Give a heartbeat now, with the note."""
        with self._turn:
            self._beats, self._last = self._beats + 1, self._clock()
            seconds = self._last - self._began
            heartbeat = {"worker": self._worker, "beat": self._beats, "seconds": seconds, **self.note}
            try:
                self._study.storage.set_trial_user_attr(self._trial_id, LEASE, heartbeat)
            except UpdateFinishedTrialError:
                if not self._ended.is_set():
                    self.lost.set()


class Watch:
    """Sees which running trials have no worker any more, and requeues them."""

    def __init__(self, study: Study, clock: Clock = time.monotonic) -> None:
        self._study, self._clock = study, clock
        self._seen: dict[int, tuple[Any, float]] = {}
        self._looked = -math.inf

    def look_now_and_then(self) -> None:
        """Requeue what is abandoned, but look no more often than heartbeats are given."""
        if self._clock() - self._looked >= self._study.plan.search.lease / HEARTBEATS:
            self.requeue_abandoned()

    def requeue_abandoned(self) -> int:
        """Fail and queue again what nobody works on; how many these were."""
        self._looked = self._clock()
        trials = self._study.trials()
        abandoned = [trial for trial in trials if trial.state == TrialState.RUNNING and self._abandoned(trial)]
        for trial in abandoned:
            requeue(self._study, trial, died=True)
        if orphans(trials):
            with locked(self._study.claims):
                queue_orphans(self._study, self._study.trials())
        return len(abandoned)

    def _abandoned(self, trial: FrozenTrial) -> bool:
        heartbeat = trial.user_attrs.get(LEASE)
        if heartbeat is not None and _is_dead(heartbeat["worker"]):
            return True
        now = self._clock()
        known, since = self._seen.get(trial._trial_id, (None, 0.0))
        if trial._trial_id not in self._seen or known != heartbeat:
            self._seen[trial._trial_id] = (heartbeat, now)
            return False
        return now - since > self._study.plan.search.lease


def requeue(study: Study, trial: FrozenTrial, *, died: bool) -> None:
    """End a running trial that another is to go on with, and queue it again, exactly once.

    One whose workers keep dying without getting further is given up after `MOST_DEATHS` of them.
    """
    with locked(study.claims):
        try:
            deaths = _count_death(study, trial) if died else 0
            if died:
                study.storage.set_trial_user_attr(trial._trial_id, LOST, True)
            if deaths >= MOST_DEATHS:
                reason = f"{deaths} workers died at the same place of it, perhaps because memory ran out"
                study.storage.set_trial_user_attr(trial._trial_id, "kind", "died")
                study.storage.set_trial_user_attr(trial._trial_id, "reason", reason)
            study.storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
        except UpdateFinishedTrialError:  # it was finished, or requeued by another
            return
        if deaths < MOST_DEATHS:
            _queue(study, study.storage.get_trial(trial._trial_id))


def _count_death(study: Study, trial: FrozenTrial) -> int:
    """Deaths of a trial's workers, this one included, since one of them got further than those before."""
    before, reached = trial.user_attrs.get("died_at"), trial.user_attrs.get(LEASE, {}).get("reached", [0, 0])
    further = before is not None and reached > before
    deaths = 1 if further else int(trial.user_attrs.get("deaths", 0)) + 1
    study.storage.set_trial_user_attr(trial._trial_id, "died_at", reached if further or before is None else before)
    study.storage.set_trial_user_attr(trial._trial_id, "deaths", deaths)
    return deaths


def queue_orphans(study: Study, trials: Sequence[FrozenTrial]) -> int:
    """Queue the trials that were ended by a process that died before it had queued them again; how many these were.

    The caller holds the lock of `study.claims`, and has read `trials` under it.
    """
    found = orphans(trials)
    for trial in found:
        _queue(study, trial)
    return len(found)


def orphans(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Trials that were ended to be gone on with, and are not queued."""
    ended = [trial for trial in trials if not counts(trial)]
    if not ended:
        return []
    resumed = {trial.user_attrs.get("resume_of") for trial in trials}
    return [trial for trial in ended if trial.number not in resumed]


def _queue(study: Study, trial: FrozenTrial) -> None:
    """Queue a copy of a trial, with its parameters, what it reported, and the rungs it passed."""
    carried = {key: trial.user_attrs[key] for key in _CARRIED if key in trial.user_attrs}
    used = trial.user_attrs.get(LEASE, {}).get(USED, trial.user_attrs.get(USED))
    carried |= {} if used is None else {USED: used}
    passed = {key: value for key, value in trial.system_attrs.items() if key.startswith("completed_rung")}
    fixed = {**trial.system_attrs.get("fixed_params", {}), **trial.params}
    study.optuna().add_trial(
        optuna.create_trial(
            state=TrialState.WAITING,
            params=trial.params,
            distributions=trial.distributions,
            user_attrs={**carried, "resume_of": trial.number},
            system_attrs={**passed, "fixed_params": fixed},
            intermediate_values=trial.intermediate_values,
        )
    )
