"""Who does what: as many trials as were asked for, interrupted ones and the baselines first, each by one worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from growsearch.search.journal import locked
from growsearch.search.leases import queue_orphans
from growsearch.search.space import parameters_of
from growsearch.search.study import LEASE, ORDINAL, Study, counts

Baselines = Mapping[str, Mapping[str, Any]]


def fill(study: Study, trials: int, baselines: Baselines) -> None:
    """See to it that the study will have so many trials, finished ones included, the baselines first.

    A baseline that the space holds is a point of it, one that it does not hold has no parameters; samplers see
    neither. Fewer trials than there are: none is begun any more.
    """
    with locked(study.claims):
        study.want(trials)
        queue_orphans(study, study.trials())
        there = [trial for trial in study.trials() if counts(trial)]
        known = {trial.user_attrs.get("baseline") for trial in there}
        for name in [name for name in baselines if name not in known][: max(0, trials - len(there))]:
            plain = baselines[name]
            parameters = parameters_of(study.plan.data, plain)
            attributes = {"baseline": name} if parameters is not None else {"baseline": name, "plain": dict(plain)}
            _queue(study, parameters or {}, attributes)


def take(study: Study, worker: str) -> int | None:
    """The id of a trial that is now this worker's: a queued one, interrupted ones first, or a new one; None at the end.

    Trials are begun one after the other, under a lock, so that all workers together never exceed the number.
    """
    while True:
        with locked(study.claims):
            trials = study.trials()
            if queue_orphans(study, trials):
                continue
            queued = [trial for trial in trials if trial.state == TrialState.WAITING]
            if not queued:
                return None if _is_full(study, trials) else _begin(study, trials, worker)
            first = min(queued, key=lambda trial: ("resume_of" not in trial.user_attrs, trial.number))
            study.storage.set_trial_user_attr(first._trial_id, LEASE, {"worker": worker, "beat": 0})
            if study.storage.set_trial_state_values(first._trial_id, TrialState.RUNNING):
                return first._trial_id


def _is_full(study: Study, trials: Sequence[FrozenTrial]) -> bool:
    """Whether no more trials are to be begun."""
    return sum(map(counts, trials)) >= study.wanted or study.plan.exhausted_by(trials)


def _begin(study: Study, trials: Sequence[FrozenTrial], worker: str) -> int:
    """A new trial, which is its worker's from the beginning."""
    drawn = sum("resume_of" not in trial.user_attrs and "baseline" not in trial.user_attrs for trial in trials)
    attributes = {LEASE: {"worker": worker, "beat": 0}, ORDINAL: drawn}
    begun = optuna.create_trial(state=TrialState.RUNNING, user_attrs=attributes)
    return study.storage.create_new_trial(study.id, begun)


def is_done(study: Study) -> bool:
    """Whether nothing is left to begin, queued or running."""
    trials = study.trials()
    return all(trial.state.is_finished() for trial in trials) and _is_full(study, trials)


def finished(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """The trials that are over, without those that others go on with."""
    return [trial for trial in trials if trial.state.is_finished() and counts(trial)]


def _queue(study: Study, parameters: Mapping[str, Any], attributes: Mapping[str, Any]) -> None:
    study.optuna().add_trial(
        optuna.create_trial(
            state=TrialState.WAITING,
            user_attrs=dict(attributes),
            system_attrs={"fixed_params": dict(parameters)},
        )
    )
