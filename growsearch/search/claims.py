"""Who trains a configuration: the first trial that has it; later ones reuse its result, or wait for it."""

from __future__ import annotations

from optuna.trial import FrozenTrial, TrialState

from growsearch.search.journal import locked
from growsearch.search.leases import queue_orphans
from growsearch.search.study import IDENTITY, TRAINS, Study

DIVERGED, MEMORY, REFUSED, DIED = "diverged", "memory", "refused", "died"
LIMITS = "limits"  # kind of a trial that was not trained, because it was sure to break a limit
LASTING = (DIVERGED, MEMORY, REFUSED, DIED)  # kinds of failures that the same configuration would have again


def claim(study: Study, trial_id: int, configuration: str) -> FrozenTrial | None:
    """Make a trial the one that trains a configuration, or say which other one is: finished, running or queued.

    Trials that are about to train decide one after the other, under a lock, so that no two train the same.
    """
    with locked(study.claims):
        trials = study.trials()
        if queue_orphans(study, trials):
            trials = study.trials()
        me = study.storage.get_trial(trial_id)
        if me.user_attrs.get(TRAINS) == configuration:
            return None
        study.storage.set_trial_user_attr(trial_id, IDENTITY, configuration)
        for other in trials:
            if other.user_attrs.get(TRAINS) == configuration and _stands(other):
                return other
        study.storage.set_trial_user_attr(trial_id, TRAINS, configuration)
        return None


def _stands(trial: FrozenTrial) -> bool:
    """Whether a trial has a result to reuse or will have one: a failure counts, unless nobody knows what it was."""
    return trial.state != TrialState.FAIL or trial.user_attrs.get("kind") in LASTING
