"""The race at the end of a search: the best by the search get fresh seeds, and these choose.

Its runs are trials of a study of their own beside the search's, so that queue, leases and storages are the same, and
samplers, the search's trials and the dashboard's figures know nothing of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from growsearch.config.models import RaceConfig
from growsearch.search.journal import locked
from growsearch.search.leases import queue_orphans
from growsearch.search.queue import is_done
from growsearch.search.racing import Estimate, estimates, survivors
from growsearch.search.snapshot import is_feasible, ranked
from growsearch.search.study import LEASE, RACE, Study, configuration_of, counts

FIRST_SEED = 1000  # of the race: neither a search nor a comparison is likely to have used these
_SUFFIX = "#race"
_FOLDER = "race"


def race_of(study: Study) -> Study | None:
    """The study of a search's race; None where it has none, or it has not begun."""
    if study.plan.search.raced is None:
        return None
    for one in study.storage.get_all_studies():
        if one.study_name == study.name + _SUFFIX:
            return Study(study.storage, one._study_id, one.study_name, study.plan, study.folder / _FOLDER)
    return None


def begin_race(study: Study) -> Study | None:
    """The same, made where there is none; None where the search has no race, or nothing to choose between."""
    if study.plan.search.raced is None or len(_candidates(study)) < 2:
        return None
    with locked(study.claims):
        (study.folder / _FOLDER).mkdir(exist_ok=True)
        if race_of(study) is None:
            directions = [StudyDirection[direction.upper()] for direction, _ in study.plan.search.aims]
            study.storage.create_new_study(directions, study.name + _SUFFIX)
    return race_of(study)


def take_run(study: Study, race: Study, worker: str) -> int | None:
    """The id of a run of the race that is now this worker's; None where none can be begun now."""
    while True:
        with locked(race.claims):
            trials = race.trials()
            if queue_orphans(race, trials):
                continue
            for trial in trials:
                if trial.state == TrialState.WAITING:
                    race.storage.set_trial_user_attr(trial._trial_id, LEASE, {"worker": worker, "beat": 0})
                    if race.storage.set_trial_state_values(trial._trial_id, TrialState.RUNNING):
                        return trial._trial_id
            return _begin(study, race, trials, worker)


def _begin(study: Study, race: Study, trials: Sequence[FrozenTrial], worker: str) -> int | None:
    begun = {_place(trial) for trial in trials if counts(trial)}
    for number, seed in _wanted(study, trials):
        if (number, seed) not in begun:
            config = configuration_of(study, study.trials()[number])
            assert config is not None, "candidates are trials of which a run file can be made"
            attributes = {
                LEASE: {"worker": worker, "beat": 0},
                RACE: {"trial": number, "seed": seed},
                "plain": {key: part for key, part in config.to_dict().items() if key in study.plan.data},
            }
            return race.storage.create_new_trial(
                race.id, optuna.create_trial(state=TrialState.RUNNING, user_attrs=attributes)
            )
    return None


def is_over(study: Study) -> bool:
    """Whether a search and its race have nothing left to do."""
    if not is_done(study):
        return False
    if study.plan.search.raced is None or len(_candidates(study)) < 2:
        return True
    race = race_of(study)
    return race is not None and is_raced(study, race)


def is_raced(study: Study, race: Study) -> bool:
    """Whether every run of the race that is wanted is finished."""
    trials = [trial for trial in race.trials() if counts(trial)]
    begun = {_place(trial) for trial in trials}
    return all(trial.state.is_finished() for trial in trials) and set(_wanted(study, trials)) <= begun


def _place(trial: FrozenTrial) -> tuple[int, int]:
    run = trial.user_attrs[RACE]
    return int(run["trial"]), int(run["seed"])


def _candidates(study: Study) -> list[FrozenTrial]:
    """The best by the search, the best first."""
    top = study.plan.search.raced.top if study.plan.search.raced else 0
    return ranked(study, [trial for trial in study.trials() if counts(trial)])[:top]


def _costs(study: Study, trials: Sequence[FrozenTrial]) -> dict[tuple[int, int], float]:
    """What each finished run came to, negated where more is better; infinity where it failed or broke a limit."""
    sign = _sign(study)
    found = {}
    for trial in trials:
        if counts(trial) and trial.state.is_finished():
            good = trial.state == TrialState.COMPLETE and is_feasible(trial)
            found[_place(trial)] = sign * trial.values[0] if good else math.inf
    return found


def _sign(study: Study) -> int:
    return 1 if study.plan.search.aims[0][0] == "minimize" else -1


def _rounds(study: Study, trials: Sequence[FrozenTrial]) -> tuple[dict[int, list[float]], list[tuple[int, int]]]:
    """The costs by candidate as far as whole rounds are finished, and the runs of the round that is not."""
    race = study.plan.search.raced
    assert isinstance(race, RaceConfig)
    found, alive = _costs(study, trials), [trial.number for trial in _candidates(study)]
    costs: dict[int, list[float]] = {number: [] for number in alive}
    seeds = range(FIRST_SEED, FIRST_SEED + race.seeds)
    for index, seed in enumerate(seeds):
        if index >= 2:
            alive = survivors({number: costs[number] for number in alive})
        if any((number, seed) not in found for number in alive):
            coming = seeds[:2] if index < 2 else [seed]
            return costs, [(number, one) for one in coming for number in alive]
        for number in alive:
            costs[number].append(found[number, seed])
    return costs, []


def _wanted(study: Study, trials: Sequence[FrozenTrial]) -> list[tuple[int, int]]:
    """Runs that are to be had now, by trial and seed; the first two seeds are together one round."""
    return _rounds(study, trials)[1]


def standing(study: Study) -> dict[str, Any] | None:
    """The race as `results.json` has it; None where it has not begun.

    `finished` tells whether it is over: before that the figures are of the rounds so far.
    """
    race = race_of(study)
    if race is None:
        return None
    trials = race.trials()
    costs, left = _rounds(study, trials)
    found, sign, everything = estimates(costs), _sign(study), study.trials()
    most = max((len(values) for values in costs.values()), default=0)
    in_it = [number for number, values in costs.items() if len(values) == most and math.isfinite(found[number].mean)]
    winner = min(in_it, key=lambda number: found[number].mean, default=None)
    return {
        "finished": not left,
        "winner": winner if most else None,
        "seeds": list(range(FIRST_SEED, FIRST_SEED + most)),
        "candidates": [
            _row(number, everything[number], [sign * one for one in values], found[number], sign)
            for number, values in costs.items()
        ],
    }


def _row(number: int, trial: FrozenTrial, values: list[float], found: Estimate, sign: int) -> dict[str, Any]:
    """A candidate: what the search said of it, and what its fresh runs say. A failed run has no value.

    Args:
        number: of its trial.
        trial: itself.
        values: of its fresh runs.
        found: the estimate, as costs.
        sign: of a cost.
    """
    return {
        "trial": number,
        "searched": trial.values[0],
        "values": [value if math.isfinite(value) else None for value in values],
        "mean": sign * found.mean if math.isfinite(found.mean) else None,
        "error": found.error if math.isfinite(found.error) else None,
        "probability": found.probability,
    }
