"""Who does what: as many trials as the budget allows, interrupted ones and the baselines first, each by one worker."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import optuna
from optuna.trial import FrozenTrial, TrialState

from growsearch.config import SearchBudget, SearchStop
from growsearch.search.budget import account_of, stopped_by
from growsearch.search.imports import Import, take_over
from growsearch.search.journal import locked
from growsearch.search.leases import orphans, queue_orphans
from growsearch.search.space import parameters_of
from growsearch.search.study import IMPORTED, LEASE, ORDINAL, Study, counts

Baselines = Mapping[str, Mapping[str, Any]]


def fill(
    study: Study,
    budget: SearchBudget,
    baselines: Baselines,
    stop: SearchStop | None = None,
    starts: Callable[[], Baselines] = dict,
    imports: Sequence[Import] = (),
) -> None:
    """Say how far the study is to go, what it has used by now included, and queue what comes first: starts, baselines.

    What is imported is there before, as finished, and uses nothing of the budget. A start is a trial like others, which
    samplers learn from. A baseline that the space holds is a point of it, one that it does not hold has no parameters;
    samplers see neither. Where the study is further than that already, no trial is begun any more.

    Args:
        study: new, or to be gone on with.
        budget: that it may use in all.
        baselines: plain files by name.
        stop: what ends it before.
        starts: makes points of the space by name; asked for once, as what they are read from may be gone later.
        imports: what older searches give to a new study.
    """
    with locked(study.claims):
        study.end_by(budget, stop)
        queue_orphans(study, study.trials())
        if not study.trials():
            take_over(study, imports)
            first = {**starts(), **{name: point for one in imports for name, point in one.starts.items()}}
            for name, point in list(first.items())[: budget.trials]:
                _queue(study, point, {"start": name})
        there = [trial for trial in study.trials() if counts(trial) and IMPORTED not in trial.user_attrs]
        known = {trial.user_attrs.get("baseline") for trial in there}
        room = None if budget.trials is None else max(0, budget.trials - len(there))
        for name in [name for name in baselines if name not in known][:room]:
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
            coming = _next(study, trials)
            if not isinstance(coming, FrozenTrial):
                return _begin(study, trials, worker) if coming == "new" else None
            study.storage.set_trial_user_attr(coming._trial_id, LEASE, {"worker": worker, "beat": 0})
            if study.storage.set_trial_state_values(coming._trial_id, TrialState.RUNNING):
                return coming._trial_id


def _next(study: Study, trials: Sequence[FrozenTrial]) -> FrozenTrial | Literal["new"] | None:
    """What is to be begun now: a queued trial, interrupted ones first, or a new one; None where nothing may be.

    What waits because the budget has no room for it ends the search: a cheaper one that is drawn after it would be
    one that the sampler did not choose.
    """
    queued = [trial for trial in trials if trial.state == TrialState.WAITING]
    queued.sort(key=lambda trial: ("resume_of" not in trial.user_attrs, trial.number))
    if stopped_by(study, trials) is not None:
        return None
    account = account_of(study, trials)
    if queued:
        return next((trial for trial in queued if account.has_room(trial)), None)
    return "new" if account.has_room() and not study.plan.exhausted_by(trials) else None


def _begin(study: Study, trials: Sequence[FrozenTrial], worker: str) -> int:
    """A new trial, which is its worker's from the beginning."""
    drawn = sum("resume_of" not in trial.user_attrs and "baseline" not in trial.user_attrs for trial in trials)
    attributes = {LEASE: {"worker": worker, "beat": 0}, ORDINAL: drawn}
    begun = optuna.create_trial(state=TrialState.RUNNING, user_attrs=attributes)
    return study.storage.create_new_trial(study.id, begun)


def is_done(study: Study) -> bool:
    """Whether nothing runs and nothing may begin: what the budget has no room for stays in the queue."""
    trials = study.trials()
    running = any(trial.state == TrialState.RUNNING for trial in trials)
    return not running and not orphans(trials) and _next(study, trials) is None


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
