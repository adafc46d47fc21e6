"""An older search's trials in a new one: as finished where they train the same, else as what to try first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
import yaml
from optuna.trial import FrozenTrial, TrialState

from growsearch.config import RunConfig
from growsearch.runs.files import write_atomically
from growsearch.runs.layout import CONFIG, seed_folder
from growsearch.search.claims import LASTING
from growsearch.search.measures import measured, objective_values, violations
from growsearch.search.ranking import ranked
from growsearch.search.space import distributions, plain_of, point_from
from growsearch.search.study import (
    IDENTITY,
    IMPORTED,
    ORIGIN,
    TRAINS,
    Plan,
    Study,
    configuration_of,
    counts,
    differences,
    identity,
)
from growsearch.training import finished_result
from growsearch.writing import make_folder

_FIRST = 5  # of the best that cannot be taken over are tried first


@dataclass(frozen=True)
class Taken:
    """A trial that is taken over as it ended, and the configuration that it has in the new space."""

    trial: FrozenTrial
    config: RunConfig


@dataclass(frozen=True)
class Import:
    """What an older search gives: trials as they ended, points to try first, and in words what and why."""

    folder: Path
    taken: tuple[Taken, ...] = ()
    starts: dict[str, dict[str, Any]] = field(default_factory=dict)
    sentence: str = ""


def read_import(plan: Plan, folder: Path) -> Import:
    """Look through a search's folder for what a new search can use.

    A finished trial is taken over where the same run file of the new space trains the same, seeds included: a range may
    be wider or narrower, and what was fixed may have become a range. Of the others that have a point in the space the
    best are tried first: their data, schedule or network differ, so that their values tell nothing here.

    Raises `InputError` where the folder holds no search.
    """
    from growsearch.search.run import open_folder

    older = open_folder(folder)
    trials = [one for one in older.trials() if counts(one) and one.state.is_finished() and _is_own(one)]
    order = {one.number: place for place, one in enumerate(ranked(older, trials))}
    trials.sort(key=lambda one: (order.get(one.number, len(order)), one.number))
    told: Counter[str] = Counter()
    taken, starts, why = list[Taken](), dict[str, dict[str, Any]](), ""
    for one in trials:
        config = configuration_of(older, one)
        point = _point(plan, config)
        if config is None or point is None:
            told["outside"] += 1
            continue
        here = plan.config(plain_of(plan.data, point))
        made = _taken_over(plan, older, one, config, here, point) if identity(here) == identity(config) else None
        if made is not None:
            taken.append(Taken(made, here))
        elif one.state == TrialState.COMPLETE and len(starts) < _FIRST:
            starts[f"{folder}: trial {one.number}"] = point
            why = why or _difference(config, here)
    return Import(folder, tuple(taken), starts, _sentence(folder, len(trials), len(taken), len(starts), told, why))


def take_over(study: Study, imports: Sequence[Import]) -> None:
    """Add what is taken over to a study that has no trials yet, each with its run file in its folder."""
    known: set[str] = set()
    for one in imports:
        for taken in one.taken:
            if (what := identity(taken.config)) in known:
                continue
            known.add(what)
            study.optuna().add_trial(taken.trial)
            number = study.trials()[-1].number
            make_folder(study.trial_folder(number))
            text = yaml.safe_dump(taken.config.to_dict(), sort_keys=False).encode()
            write_atomically(study.trial_folder(number) / CONFIG, lambda file, text=text: file.write(text))  # type: ignore[misc]


def _is_own(trial: FrozenTrial) -> bool:
    """Whether it was drawn by the search, and trained there: neither a repetition nor a baseline outside the space."""
    return "duplicate_of" not in trial.user_attrs and "plain" not in trial.user_attrs


def _point(plan: Plan, config: RunConfig | None) -> dict[str, Any] | None:
    """The point that a configuration has in a space; None where it lies outside."""
    try:
        return point_from(plan.data, config.to_dict()) if config is not None else None
    except LookupError:
        return None


def _taken_over(
    plan: Plan, older: Study, trial: FrozenTrial, config: RunConfig, here: RunConfig, point: dict[str, Any]
) -> FrozenTrial | None:
    """The trial as it is in the new study; None where what it measured is not there, or was ended by other rules.

    Args:
        plan: of the new search.
        older: that the trial is from.
        trial: that is finished.
        config: of the trial.
        here: the same in the new space.
        point: its parameters there.
    """
    known = {name: one for name, one in distributions(plan.data).items() if name in point}
    carried = ("kind", "reason", "seconds", "threads")
    told: dict[str, Any] = {key: value for key, value in trial.user_attrs.items() if key in carried}
    home = Path(trial.user_attrs.get(ORIGIN) or older.trial_folder(trial.number).absolute())
    told |= {IMPORTED: str(older.folder), ORIGIN: str(home), IDENTITY: identity(here), TRAINS: identity(here)}
    same_rungs = plan.rungs == older.plan.rungs and plan.search.aims == older.plan.search.aims
    shared: dict[str, Any] = {"params": point, "distributions": known}
    shared["intermediate_values"] = trial.intermediate_values if same_rungs else {}
    if trial.state == TrialState.FAIL:
        lasts = trial.user_attrs.get("kind") in LASTING
        return optuna.create_trial(state=TrialState.FAIL, user_attrs=told, **shared) if lasts else None
    if trial.state == TrialState.PRUNED:
        ended_alike = same_rungs and trial.intermediate_values
        return optuna.create_trial(state=TrialState.PRUNED, user_attrs=told, **shared) if ended_alike else None
    found = [finished_result(seed_folder(home, seed), config, seed) for seed in range(plan.search.seeds)]
    results = [one for one in found if one is not None]
    if len(results) < len(found):
        return None
    means = measured(results)
    made = optuna.create_trial(
        state=TrialState.COMPLETE,
        values=objective_values(plan.search, means),
        user_attrs=told | {"measures": means},
        constraints=violations(plan.search, results),
        **shared,
    )
    return made


def _difference(there: RunConfig, here: RunConfig) -> str:
    """The first values in which two configurations differ, in words."""
    one, other = there.to_dict(), here.to_dict()
    names = [name for name in differences(one, other) if name.partition(".")[0] in ("data", "network", "training")]
    names = names or [name for name in differences(one, other) if name.startswith("growth")]
    return f"{', '.join(names[:3])} differ{'s' if len(names) == 1 else ''}" if names else "their results are not there"


def _sentence(folder: Path, trials: int, taken: int, first: int, told: Counter[str], why: str) -> str:
    parts = [f"{taken} of {trials} trials are taken over as finished"]
    parts += [f"the best {first} of the others are tried first, their values not used: {why}"] if first else []
    parts += [f"{told['outside']} lie outside the space"] if told["outside"] else []
    return f"{folder}: {'; '.join(parts)}"
