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

from growsearch.config.search_config import RaceConfig
from growsearch.search.budget import account_of, run_flops
from growsearch.search.journal import locked
from growsearch.search.leases import orphans, queue_orphans
from growsearch.search.queue import is_done
from growsearch.search.racing import Estimate, estimates, survivors
from growsearch.search.ranking import is_feasible
from growsearch.search.study import COST, FIRST_SEED, LEASE, RACE, RACE_SUFFIX, SIZE, Study, configuration_of, counts
from growsearch.writing import make_folder


def begin_race(study: Study) -> Study | None:
    """The study of a search's race, made where there is none; None where there is nothing to choose between."""
    size = account_of(study).settled_race()
    if size is None or len(_candidates(study)) < 2:
        return None
    with locked(study.claims):
        make_folder(study.folder / RACE)
        if study.race() is None:
            directions = [StudyDirection[direction.upper()] for direction, _ in study.plan.search.aims]
            study.storage.create_new_study(directions, study.name + RACE_SUFFIX)
        race = study.race()
        assert race is not None, "it was made"
        if race.size() != size:
            race.storage.set_study_user_attr(race.id, SIZE, size.model_dump())
    return race


def take_run(study: Study, race: Study, worker: str) -> int | None:
    """The id of a run of the race that is now this worker's; None where none can be begun now."""
    while True:
        with locked(race.claims):
            trials = race.trials()
            if queue_orphans(race, trials):
                continue
            coming = _next(study, trials)
            if not isinstance(coming, FrozenTrial):
                return None if coming is None else _begin(study, race, coming, worker)
            race.storage.set_trial_user_attr(coming._trial_id, LEASE, {"worker": worker, "beat": 0})
            if race.storage.set_trial_state_values(coming._trial_id, TrialState.RUNNING):
                return coming._trial_id


def _next(study: Study, trials: Sequence[FrozenTrial]) -> FrozenTrial | tuple[int, int] | None:
    """The run to begin now: one that waits, or a trial and its seed; None where none is wanted, or paid any more."""
    account = account_of(study)
    waiting = next((trial for trial in trials if trial.state == TrialState.WAITING), None)
    if waiting is not None:
        return waiting if account.race_has_room(waiting.number, waiting.user_attrs[COST]) else None
    begun = {_place(trial) for trial in trials if counts(trial)}
    place = next((one for one in _wanted(study, trials) if one not in begun), None)
    return place if place and account.race_has_room(None, run_flops(account.trials[place[0]])) else None


def _begin(study: Study, race: Study, place: tuple[int, int], worker: str) -> int:
    number, seed = place
    trial = study.trials()[number]
    config = configuration_of(study, trial)
    assert config is not None, "candidates are trials of which a run file can be made"
    attributes = {
        LEASE: {"worker": worker, "beat": 0},
        RACE: {"trial": number, "seed": seed},
        COST: run_flops(trial),
        "plain": {key: part for key, part in config.to_dict().items() if key in study.plan.data},
    }
    return race.storage.create_new_trial(race.id, optuna.create_trial(state=TrialState.RUNNING, user_attrs=attributes))


def is_over(study: Study) -> bool:
    """Whether a search and its race have nothing left to do."""
    if not is_done(study):
        return False
    if len(_candidates(study)) < 2:
        return True
    race = study.race()
    return race is not None and is_raced(study, race)


def is_raced(study: Study, race: Study) -> bool:
    """Whether every run of the race that is wanted is finished, or cannot be paid any more."""
    trials = race.trials()
    running = any(trial.state == TrialState.RUNNING for trial in trials)
    return not running and not orphans(trials) and _next(study, trials) is None


def _place(trial: FrozenTrial) -> tuple[int, int]:
    run = trial.user_attrs[RACE]
    return int(run["trial"]), int(run["seed"])


def _candidates(study: Study) -> list[FrozenTrial]:
    """The best by the search, the best first; none where there is no race."""
    account = account_of(study)
    race = account.settled_race()
    return list(account.ranked[: race.top]) if race else []


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
    race = account_of(study).settled_race()
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
    race = study.race()
    if race is None or not _candidates(study):
        return None
    trials = race.trials()
    costs, _ = _rounds(study, trials)
    found, sign, everything = estimates(costs), _sign(study), study.trials()
    most = max((len(values) for values in costs.values()), default=0)
    in_it = [number for number, values in costs.items() if len(values) == most and math.isfinite(found[number].mean)]
    winner = min(in_it, key=lambda number: found[number].mean, default=None)
    return {
        "finished": is_done(study) and is_raced(study, race),
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
