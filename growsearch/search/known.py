"""A study as samplers see it: without baselines, and with failures as the worst that was found."""

from __future__ import annotations

import copy
from collections.abc import Container, Sequence

import optuna
from optuna.samplers import BaseSampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from growsearch.search.claims import LIMITS
from growsearch.search.study import Study, counts

_CONSTRAINT = "constraints:"  # begins the keys under which Optuna keeps the constraints of a trial


class SamplersStudy(optuna.Study):
    """The same study, whose trials are those of `known_trials`, as they were at the first look."""

    def __init__(self, study: Study, sampler: BaseSampler) -> None:
        super().__init__(study.name, study.storage, sampler)
        everything = self._storage.get_all_trials(self._study_id, deepcopy=False)
        self._known = known_trials(everything, self.directions)

    def _get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None, use_cache: bool = False
    ) -> list[FrozenTrial]:
        found = [trial for trial in self._known if states is None or trial.state in states]
        return copy.deepcopy(found) if deepcopy else found


def known_trials(trials: Sequence[FrozenTrial], directions: Sequence[StudyDirection]) -> list[FrozenTrial]:
    """The trials that a sampler is to learn from.

    Baselines are left out: they were not drawn, and one without parameters would empty the intersection of parameters
    that `gp` and `nsga2` model. A failed trial is shown as complete, with the worst value and the worst constraints
    of all trials, because Optuna's samplers do not look at failures; one that was not trained, because it would break
    a limit, with the worst value and what is known of its excess.
    """
    drawn = [trial for trial in trials if counts(trial) and "baseline" not in trial.user_attrs]
    complete = [trial for trial in drawn if trial.state == TrialState.COMPLETE]
    worst = [
        (max if direction == StudyDirection.MINIMIZE else min)((trial.values[index] for trial in complete), default=0.0)
        for index, direction in enumerate(directions)
    ]
    limits: dict[str, float] = {}
    for trial in complete:
        for key, excess in trial.system_attrs.items():
            if key.startswith(_CONSTRAINT):
                limits[key] = max(excess, limits.get(key, excess))
    return [_shown(trial, worst, limits) for trial in drawn]


def _shown(trial: FrozenTrial, worst: list[float], limits: dict[str, float]) -> FrozenTrial:
    if trial.state == TrialState.FAIL:
        return _as_worst(trial, worst, limits)
    if trial.user_attrs.get("kind") == LIMITS:
        own = {key: excess for key, excess in trial.system_attrs.items() if key.startswith(_CONSTRAINT)}
        return _as_worst(trial, worst, dict.fromkeys(limits, 0.0) | own)
    return trial


def _as_worst(trial: FrozenTrial, values: list[float], limits: dict[str, float]) -> FrozenTrial:
    shown = copy.copy(trial)
    shown.state = TrialState.COMPLETE
    shown.values = values
    shown.system_attrs = {**trial.system_attrs, **limits}
    return shown
