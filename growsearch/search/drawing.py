"""Which configuration a new trial tries."""

from __future__ import annotations

import hashlib
import random
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
)
from optuna.trial import FrozenTrial
from scipy.stats import qmc

from growsearch.config import SearchConfig
from growsearch.installing import command_for_extra
from growsearch.search.finite import points
from growsearch.search.known import SamplersStudy
from growsearch.search.priors import FIRST, prior_point, prior_share
from growsearch.search.ranking import ranked
from growsearch.search.samplers import START, make_sampler
from growsearch.search.space import defaults, distributions, require_inside, resolved, value_at
from growsearch.search.study import DRAWN, FINISHED, IMPORTED, ORDINAL, TRAINS, Study, counts

_PRIOR = (1_000_001, 1_000_002)  # streams of random numbers: whether a trial follows the defaults, and how
_SPREAD = 2**10  # points of a quasi-random sequence that are made at once


@dataclass(frozen=True)
class Drawn:
    """The parameters of a trial, and whether the file's defaults had a part in them."""

    parameters: dict[str, Any]
    prior: bool = False


def draw(study: Study, trial: FrozenTrial, attempt: int) -> Drawn:
    """The parameters that a trial is to have; another `attempt` gives others.

    They depend on the search's seed, on how many trials were drawn before, and on what is known by now, not on the
    worker. What was enqueued with values for some parameters keeps them; raises `InputError` where they are none of the
    space.
    """
    search, ordinal = study.plan.search, int(trial.user_attrs.get(ORDINAL, trial.number))
    fixed: Mapping[str, Any] = trial.system_attrs.get("fixed_params", {})
    require_inside(study.plan.data, fixed)
    drawn = [seed_of(search.seed, ordinal, attempt, stream) for stream in _PRIOR]
    if fixed or not defaults(study.plan.data) or search.sampler == "grid":
        return Drawn(_drawn(study, trial, attempt, fixed))
    first = not any(_was_drawn(one) and one.user_attrs.get(ORDINAL, one.number) < ordinal for one in study.trials())
    if drawn[0] / 2**32 < (1.0 if first else _prior_share(study, ordinal)):
        known = prior_point(study.plan.data, None if first and not attempt else drawn[1])
        return Drawn(_drawn(study, trial, attempt, known), prior=True)
    return Drawn(_drawn(study, trial, attempt, {}))


def _was_drawn(trial: FrozenTrial) -> bool:
    """Whether a trial's parameters were chosen here: not by the file, an older search, or somebody who enqueued it."""
    enqueued = "fixed_params" in trial.system_attrs and "resume_of" not in trial.user_attrs
    return not enqueued and not {"baseline", "start", IMPORTED} & set(trial.user_attrs)


def _prior_share(study: Study, ordinal: int) -> float:
    """The share of trials that follows the file's defaults, after the first: as it pays; a front tells nothing.

    A sampler that learns needs fewer and fewer of them: it has learnt from those before.
    """
    if len(study.plan.search.aims) > 1:
        return FIRST
    trials = [trial for trial in study.trials() if counts(trial) and "baseline" not in trial.user_attrs]
    best = ranked(study, trials)
    over = {trial.number for trial in best}
    others = [trial for trial in trials if trial.state in FINISHED and trial.number not in over]
    learns = study.plan.search.sampler not in ("random", "qmc")
    return prior_share(best, others) * (min(1.0, START / ordinal) if learns else 1.0)


def _drawn(study: Study, trial: FrozenTrial, attempt: int, fixed: Mapping[str, Any]) -> dict[str, Any]:
    search, ordinal = study.plan.search, int(trial.user_attrs.get(ORDINAL, trial.number))
    spread = search.sampler == "qmc" or (ordinal < START and search.sampler in ("tpe", "gp"))
    if search.sampler == "grid":
        return _on_grid(study, ordinal + attempt) | dict(fixed)
    if spread and not attempt:
        return quasi_random(study.plan.data, search.seed, ordinal, fixed)
    return _sampled(study, trial, seed_of(search.seed, ordinal, attempt), fixed)


def seed_of(*numbers: int) -> int:
    """A seed of 32 bits, for as many numbers of any size; near ones have seeds that are far from each other."""
    return int.from_bytes(hashlib.sha256(repr(numbers).encode()).digest()[:4], "big")


def drawn_before(study: Study, trial: FrozenTrial) -> dict[str, Any]:
    """The parameters that a trial has already, even if its worker died while it wrote them down; empty before that."""
    known = distributions(study.plan.data)
    kept: Mapping[str, float] = trial.user_attrs.get(DRAWN, {})
    return {name: known[name].to_external_repr(value) for name, value in kept.items()} or dict(trial.params)


def record(study: Study, trial: FrozenTrial, parameters: Mapping[str, Any]) -> None:
    """Write the parameters of a trial into the study: at first all at once."""
    known = distributions(study.plan.data)
    if DRAWN not in trial.user_attrs:
        kept = {name: known[name].to_internal_repr(value) for name, value in parameters.items()}
        study.storage.set_trial_user_attr(trial._trial_id, DRAWN, kept)
    for name, value in parameters.items():
        if name not in trial.params:
            internal = known[name].to_internal_repr(value)
            study.storage.set_trial_param(trial._trial_id, name, internal, known[name])


def quasi_random(
    data: Mapping[str, Any], seed: int, index: int, fixed: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Point `index` of a scrambled Sobol' sequence over all parameters of a space (Owen, 1998).

    A parameter of an option that was not chosen uses up its coordinate, so that those chosen stay spread.

    Args:
        data: the sections with their ranges.
        seed: of the scrambling.
        index: of the point, from 0.
        fixed: values that are not drawn.
    """
    known = distributions(data)
    place = _sobol(len(known), seed_of(seed), index // _SPREAD)[index % _SPREAD]
    coordinates = dict(zip(known, place, strict=True))
    return point_at(data, coordinates, fixed)


def point_at(
    data: Mapping[str, Any], coordinates: Mapping[str, float], fixed: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The point below whose parameters so large a share of each range lies, from 0 to 1, but for those `fixed`."""
    found: dict[str, Any] = {}

    def at(name: str, distribution: BaseDistribution) -> Any:
        given = (fixed or {}).get(name)
        found[name] = value_at(distribution, float(coordinates[name])) if name not in (fixed or {}) else given
        return found[name]

    resolved(data, at)
    return found


@cache
def _sobol(dimensions: int, seed: int, block: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    made = qmc.Sobol(dimensions, scramble=True, rng=np.random.default_rng(seed))
    if block:
        made.fast_forward(block * _SPREAD)
    return np.asarray(made.random(_SPREAD))


def _on_grid(study: Study, place: int) -> dict[str, Any]:
    """A point of a finite space, in an order that the seed shuffles."""
    found = points(study.plan.data) or []
    random.Random(seed_of(study.plan.search.seed)).shuffle(found)
    return found[place % len(found)]


def _sampled(study: Study, trial: FrozenTrial, seed: int, fixed: Mapping[str, Any]) -> dict[str, Any]:
    """What an Optuna sampler suggests, without writing it into the study."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
        warnings.filterwarnings("ignore", module="optuna")
        sampler = make_sampler(study.plan.search, seed)
        known = SamplersStudy(study, sampler)
        sampler.before_trial(known, trial)
        space = sampler.infer_relative_search_space(known, trial)
        together = sampler.sample_relative(known, trial, space)
        found: dict[str, Any] = {}

        def one(name: str, distribution: BaseDistribution) -> Any:
            if name in fixed:
                found[name] = fixed[name]
            elif distribution.single():
                found[name] = distribution.to_external_repr(_only(distribution))
            elif name in together:
                found[name] = together[name]
            else:
                found[name] = sampler.sample_independent(known, trial, name, distribution)
            return found[name]

        resolved(study.plan.data, one)
        return found


def _only(distribution: BaseDistribution) -> float:
    return 0.0 if isinstance(distribution, CategoricalDistribution) else float(getattr(distribution, "low"))  # noqa: B009


def untried(study: Study) -> dict[str, Any] | None:
    """A point of a finite space whose configuration no trial trains, always the same; None where there is none."""
    tried = {trial.user_attrs.get(TRAINS) for trial in study.trials()}
    for point, identity in study.plan.points or ():
        if identity not in tried:
            return dict(point)
    return None


def needs_of(search: SearchConfig, data: Mapping[str, Any]) -> str | None:
    """Why a sampler cannot search a space, and what to do; None where it can."""
    ranges = distributions(data)
    if search.sampler == "grid" and points(data) is None:
        return (
            "grid needs a space of few points: choices, whole numbers, or a step for every range, 2,000 points at "
            "most; take qmc, which spreads its trials evenly over any space"
        )
    choices = [name for name, one in ranges.items() if isinstance(one, CategoricalDistribution)]
    if search.sampler == "cmaes" and choices:
        return f"cmaes searches numbers only, and {choices[0]} is a choice: take tpe or gp, or give it one value"
    if search.sampler == "cmaes" and find_spec("cmaes") is None:
        return f"cmaes needs the package of that name: {command_for_extra('cmaes')}"
    return None
