"""Before the first trial: see that every end of the space can be trained, and what the most expensive trial costs."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from growsearch.config import RunConfig, SearchConfig
from growsearch.config.ranges import variants
from growsearch.config.run_config import normalized
from growsearch.config.search_config import WATCHED
from growsearch.data import load_data
from growsearch.errors import InputError
from growsearch.execution.job import Job
from growsearch.execution.preflight import checked_and_ordered
from growsearch.registry import lookup
from growsearch.search.foreseen import SIZES, seed_size
from growsearch.search.measures import describe_limits
from growsearch.search.space import SECTIONS, parameters_of
from growsearch.tasks import make_task

_SHOWN = 6  # parameters in a message


def check_space(
    data: Mapping[str, Any],
    search: SearchConfig,
    baselines: Iterable[Mapping[str, Any]],
    allow_import: bool = False,
    goes_on: Callable[[int, int], bool] = lambda done, ends: True,
) -> tuple[float, float]:
    """Estimated training FLOPs of a run of the cheapest and the most expensive trial of a space, by its ends' cost.

    `goes_on` is asked before each end, with how many are done and how many there are, whether there is time for it.
    Everything that a range or an option can choose is set up and grown once, on the CPU. Raises `InputError` where
    something cannot be, where an objective or constraint is not measured, and where no network keeps the constraints.

    Args:
        data: the file, with its ranges.
        search: its section.
        baselines: that are trained beside.
        allow_import: whether a network named by import path may be imported.
        goes_on: is asked before each end.
    """
    ends = _distinct(data, allow_import)
    for config, _ in ends:
        _require_measures(config, search)
    costs: list[float] = []
    for done, (config, words) in enumerate(ends):
        if not goes_on(done, len(ends)):
            break
        costs.append(_cost(config, words))
    goes_on(len(costs), len(ends))
    _require_satisfiable([config for config, _ in ends], search)
    costs += [_cost(normalized(plain, allow_import), "a baseline") for plain in baselines]
    return min(costs, default=0.0), max(costs, default=0.0)


def _distinct(data: Mapping[str, Any], allow_import: bool) -> list[tuple[RunConfig, str]]:
    """Configurations at the ends of the space that differ in what can be set up, with their parameters in words."""
    sections = {key: data[key] for key in SECTIONS if data.get(key) is not None}
    found: dict[str, tuple[RunConfig, str]] = {}
    for variant in variants(sections):
        config = normalized(variant.data, allow_import)
        key = _structure(config)
        if key not in found:
            parameters = parameters_of(sections, variant.data) or {}
            shown = [f"{name} {value}" for name, value in list(parameters.items())[:_SHOWN]]
            found[key] = (config, ", ".join(shown))
    return list(found.values())


def _structure(config: RunConfig) -> str:
    """What decides whether a run can be set up, and what it costs: numbers inside strategies do not."""
    growth, training = config.growth, config.training
    strategies = [list(part or ()) for part in (growth.where, growth.how, growth.soft)]
    length = [training.epochs, training.steps, training.flops, training.batch_size]
    parts = [config.data, config.network, length, growth.grows, growth.budget, growth.limits, growth.sites, strategies]
    return json.dumps(parts, sort_keys=True, default=str)


def _cost(config: RunConfig, words: str) -> float:
    try:
        [job] = checked_and_ordered([Job("trial", 0, config, Path(), "cpu")])
    except InputError as error:
        raise InputError(f"a trial with {words} cannot be trained: {error}") from error
    return job.cost


def _require_measures(config: RunConfig, search: SearchConfig) -> None:
    data = load_data(config.data, 0, config.allow_import)
    task = make_task(config.task, data.task)
    reported = [] if data.validation is None else [f"validation_{metric.name}" for metric in task.metrics]
    absent = [measure for measure in WATCHED if measure.startswith("validation_") and measure not in reported]
    wanted = [measure for _, measure in search.aims] + list(search.limits)
    missing = [measure for measure in dict.fromkeys(wanted) if measure in absent]
    if missing:
        why = "has no validation split" if data.validation is None else "has no classes"
        other = "train_loss" if "validation_loss" in absent else "validation_loss"
        held = ", or hold data back with data.validation" if "validation" in config.data else ""
        raise InputError(
            f"search: data {data.name!r} {why}, so there is no {' nor '.join(missing)}: choose another objective, "
            f"such as search.objectives: [{{minimize: {other}}}]{held}"
        )


def _require_satisfiable(configs: list[RunConfig], search: SearchConfig) -> None:
    """Refuse limits that no network of the space can keep, as far as its ends and budgets tell."""
    for measure in SIZES:
        if measure in search.limits:
            _require_small_enough(configs, search, measure, search.limits[measure].max)
            _require_big_enough(configs, search, measure, search.limits[measure].min)


def _require_small_enough(configs: list[RunConfig], search: SearchConfig, measure: str, limit: float | None) -> None:
    """Refuse a limit that even the smallest seed network breaks, unless a selector could make it smaller."""
    shrinks = any(
        getattr(lookup("where", name), "removes", False) for config in configs for name in config.growth.where
    )
    smallest = min(seed_size(config, measure) for config in configs)
    if limit is not None and smallest > limit and not shrinks:
        raise InputError(
            f"search.constraints: {describe_limits(search.limits)} cannot be kept: the smallest network of the "
            f"space starts with {smallest:,} {measure}; raise the limit, or lower network.width"
        )


def _require_big_enough(configs: list[RunConfig], search: SearchConfig, measure: str, limit: float | None) -> None:
    """Refuse a limit that even the largest network breaks, where the budgets say how large one can get."""
    largest = max(_final_size(config, measure) for config in configs)
    if limit is not None and largest < limit:
        raise InputError(
            f"search.constraints: {describe_limits(search.limits)} cannot be kept: no network of the space gets more "
            f"than {largest:,.0f} {measure}; lower the limit, or raise the budget"
        )


def _final_size(config: RunConfig, measure: str) -> float:
    """At most so large: the seed network where nothing grows, or the budget where it is in this measure."""
    if not config.growth.grows and config.growth.soft is None:
        return seed_size(config, measure)
    limit = (config.growth.budget or {}).get(measure, math.inf)
    return float(max(limit) if isinstance(limit, list | tuple) else limit)
