"""`search --dry-run`: some trials that a search might try, what they grow from and to, and how long one takes."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from growsearch.cli.dry_run import plan_of
from growsearch.cli.output import emit, show
from growsearch.cli.search_table import duration
from growsearch.comparison.forecast import Forecast, forecasts

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

    from growsearch.config import RunConfig, SearchConfig, Space
    from growsearch.training import TrainingRun

_DRAWN = 4  # trials drawn from the space, besides the baselines
_STEPS = 8  # that are timed, after as many that are not


def show_search_plan(space: Space, device: str, workers: int | None, as_json: bool) -> None:
    """Print what a search would try; its data is read, networks are built, and a few steps are timed."""
    from growsearch.comparison.environment import core_count
    from growsearch.search.run import check, settings_of
    from growsearch.search.space import distributions
    from growsearch.training.precision import resolve_device

    settings = settings_of(space)
    place = str(resolve_device(device))
    check(space)
    workers = workers or (core_count() if place == "cpu" else 1)
    named = _examples(space, settings)
    coming = forecasts({name: config for name, (config, _) in named.items()})
    examples = {name: _example(config, chosen, place, coming.get(name)) for name, (config, chosen) in named.items()}
    seconds = sum(one["seconds"] for one in examples.values()) / len(examples) * settings.seeds
    parameters = {name: _in_words(one) for name, one in distributions(space.data).items()}
    whole = {"trials": settings.trials, "workers": workers, "seconds_per_trial": seconds, "parameters": parameters}
    if as_json:
        emit({**whole, "examples": examples})
        return
    _print(whole, examples, settings)


def _in_words(range_: BaseDistribution) -> str:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(range_, CategoricalDistribution):
        return ", ".join(map(str, range_.choices))
    assert isinstance(range_, FloatDistribution | IntDistribution)
    log = ", on a logarithmic scale" if range_.log else ""
    step = f", in steps of {range_.step:g}" if range_.step not in (None, 1) else ""
    return f"{range_.low:g} to {range_.high:g}{log}{step}"


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _examples(space: Space, settings: SearchConfig) -> dict[str, tuple[RunConfig, dict[str, Any]]]:
    """The baselines, and trials drawn at random, always the same, with their parameters."""
    import optuna

    from growsearch.search.run import baselines_of, study_plan
    from growsearch.search.space import parameters_of, suggested

    study = study_plan(space, settings, 0)
    plain: dict[str, Any] = dict(baselines_of(space, settings))
    drawn = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for number in range(_DRAWN):
        plain[f"drawn {number + 1}"] = suggested(study.data, drawn.ask())
    return {name: (study.config(one), parameters_of(study.data, one) or {}) for name, one in plain.items()}


def _example(config: RunConfig, chosen: dict[str, Any], device: str, coming: Forecast | None) -> dict[str, Any]:
    """What a trial grows from and to, and the seconds that one seed of it takes, about."""
    return {"chosen": chosen, **plan_of(config, coming), "seconds": _seconds(config, device)}


def _seconds(config: RunConfig, device: str) -> float:
    """Seconds of training and evaluation, by a few timed steps at the network's size at the start and at its budget.

    Growth steps are not counted; a network that grows is taken to spend as long small as big.
    """
    timed = [_timed(config, device)]
    width = (config.growth.budget or {}).get("width")
    scales = "width" in config.network or "layers" in config.network
    if config.growth.grows and width is not None and scales:
        timed.append(_timed(config.model_copy(update={"network": {**config.network, "width": width}}), device))
    return sum(timed) / len(timed)


def _timed(config: RunConfig, device: str) -> float:
    from growsearch.config import GrowthConfig
    from growsearch.training import TrainingRun

    fixed = config.model_copy(update={"growth": GrowthConfig()})
    with tempfile.TemporaryDirectory() as folder:
        run = TrainingRun(fixed, 0, Path(folder), device, lambda event: None)
        try:
            run.train(_STEPS)
            started = time.perf_counter()
            before = run.counters.step
            run.train(2 * _STEPS)
            steps = max(1, run.counters.step - before)
            training = (time.perf_counter() - started) / steps * run.setup.total_steps
            return training + _evaluation_seconds(run) * run.setup.total_steps / run.setup.rows_every
        finally:
            run.close()


def _evaluation_seconds(run: TrainingRun) -> float:
    """Seconds that the validation split takes once."""
    from growsearch.data import evaluation_batches
    from growsearch.training.evaluation import evaluate
    from growsearch.training.loop import EVALUATION_SAMPLES

    setup = run.setup
    if setup.validation is None:
        return 0.0
    started = time.perf_counter()
    batches = evaluation_batches(setup.validation, setup.data, setup.device, EVALUATION_SAMPLES)
    evaluate(setup.model, batches, setup.criterion, setup.context)
    return time.perf_counter() - started


def _print(whole: dict[str, Any], examples: dict[str, Any], settings: SearchConfig) -> None:
    from rich.table import Table

    table = Table("trial", "grows", "sites", "parameters", "FLOPs", "budget", "parameters then", "FLOPs then", "time")
    for name, one in examples.items():
        table.add_row(
            name,
            one["growth"],
            ", ".join(f"{count} {kind}" for kind, count in one["kinds"].items()),
            f"{one['parameters']:,}",
            f"{one['flops']:,}",
            one["budget"],
            *("" if one[key] is None else f"{one[key]:,}" for key in ("budget_parameters", "budget_flops")),
            duration(one["seconds"] * settings.seeds),
        )
    aims = ", ".join(f"{direction} {measure}" for direction, measure in settings.aims)
    total = whole["seconds_per_trial"] * whole["trials"] / whole["workers"]
    show(*(f"{name}: {one}" for name, one in whole["parameters"].items()), table)
    for name, one in examples.items():
        if one["chosen"]:
            show(f"{name}: {', '.join(f'{key} {_short(value)}' for key, value in one['chosen'].items())}")
    show(
        f"{whole['trials']} trials to {aims}; sampler {settings.sampler}, pruner {settings.pruned_by}; "
        f"about {duration(whole['seconds_per_trial'])} a trial, {duration(total)} in all with {whole['workers']} "
        "workers, less what is pruned or reused"
    )
