"""`search --dry-run`: some trials that a search might try, what they grow from and to, and how long one takes."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from growsearch.cli.dry_run import plan_of
from growsearch.cli.output import emit, show
from growsearch.cli.search_table import duration
from growsearch.execution.forecast import forecasts
from growsearch.number_format import human

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

    from growsearch.config import RunConfig, SearchConfig, Space
    from growsearch.training import TrainingRun

_DRAWN = 4  # trials drawn from the space, besides the baselines
_STEPS = 8  # that are timed, after as many that are not
_CHECKED, _TIMED = 30.0, 30.0  # seconds that looking at the ends of the space, and timing steps, may take


def show_search_plan(space: Space, device: str, workers: int | None, as_json: bool) -> None:
    """Print what a search would try; its data is read, networks are built, and a few steps are timed."""
    from growsearch.execution.environment import core_count
    from growsearch.search.run import settings_of
    from growsearch.search.space import distributions
    from growsearch.training.precision import resolve_device

    settings = settings_of(space)
    compute_device = str(resolve_device(device))
    workers = workers or (core_count() if compute_device == "cpu" else 1)
    with _threads_of_a_worker(workers):
        looked = _check_for_a_while(space)
        examples = _planned(space, settings, compute_device)
    timed = [one["seconds"] * settings.seeds for one in examples.values() if one["seconds"] is not None]
    seconds_per_trial = sum(timed) / len(timed)
    parameters = {name: _in_words(one) for name, one in distributions(space.data).items()}
    whole = {
        "budget": settings.whole.model_dump(exclude_none=True),
        "workers": workers,
        "seconds_per_trial": seconds_per_trial,
        "seconds_per_trial_range": [min(timed), max(timed)],
        "ends_checked": looked,
        "parameters": parameters,
    }
    if as_json:
        emit({**whole, "examples": examples})
        return
    _print(whole, examples, settings)


def _planned(space: Space, settings: SearchConfig, device: str) -> dict[str, dict[str, Any]]:
    """Some trials: what each grows from and to, and the seconds of one seed, None where there was no time for it."""
    named = _examples(space, settings)
    coming = forecasts({name: config for name, (config, _) in named.items()})
    until = time.monotonic() + _TIMED
    examples: dict[str, dict[str, Any]] = {}
    for name, (config, chosen) in named.items():
        late = bool(examples) and time.monotonic() > until
        seconds = None if late else _seconds(config, device)
        examples[name] = {"chosen": chosen, **plan_of(config, coming.get(name)), "seconds": seconds}
    return examples


@contextmanager
def _threads_of_a_worker(workers: int) -> Iterator[None]:
    """With as many CPU threads as a worker will have: more of them, on busy cores, only wait for each other."""
    from growsearch.execution.environment import core_count
    from growsearch.training.threads import threads

    with threads(max(1, core_count() // workers)):
        yield


def _check_for_a_while(space: Space) -> list[int]:
    """Set up as many ends of the space as there is time for; how many, and of how many."""
    from growsearch.search.run import check

    until, looked = time.monotonic() + _CHECKED, [0, 0]

    def goes_on(done: int, ends: int) -> bool:
        looked[:] = [done, ends]
        return time.monotonic() < until

    check(space, goes_on)
    return looked


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

    study = study_plan(space, settings)
    plain: dict[str, Any] = dict(baselines_of(space, settings))
    drawn = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for number in range(_DRAWN):
        plain[f"drawn {number + 1}"] = suggested(study.data, drawn.ask())
    return {name: (study.config(one), parameters_of(study.data, one) or {}) for name, one in plain.items()}


def _seconds(config: RunConfig, device: str) -> float:
    """Seconds of training and evaluation, by a few timed steps at the network's size at the start and at its budget.

    The median step counts, so that what else the machine does now matters little. Growth steps are not counted; a
    network that grows is taken to spend as long small as big.
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
            steps = []
            while run.counters.step < min(2 * _STEPS, run.setup.total_steps):
                started = time.perf_counter()
                run.train(run.counters.step + 1)
                steps.append(time.perf_counter() - started)
            training = median(steps or [0.0]) * run.setup.total_steps
            return training + _evaluation_seconds(run) * run.setup.total_steps / run.setup.rows_every
        finally:
            run.close()


def _evaluation_seconds(run: TrainingRun) -> float:
    """Seconds that the validation split takes once."""
    from growsearch.data import evaluation_batches
    from growsearch.training.evaluation import evaluate, evaluation_samples

    setup = run.setup
    if setup.validation is None:
        return 0.0
    started = time.perf_counter()
    batches = evaluation_batches(setup.validation, setup.data, setup.device, evaluation_samples(setup.data))
    evaluate(setup.model, batches, setup.data.task, setup.context)
    return time.perf_counter() - started


def _print(whole: dict[str, Any], examples: dict[str, Any], settings: SearchConfig) -> None:
    from rich.table import Table

    table = Table("trial", "grows", "sites", "parameters", "FLOPs", "budget", "events", "parameters at the end", "time")
    for name, one in examples.items():
        table.add_row(
            name,
            one["growth"],
            ", ".join(f"{count} {kind}" for kind, count in one["kinds"].items()),
            f"{one['parameters']:,}",
            f"{one['flops']:,}",
            one["budget"],
            one["events"],
            one["end"],
            "not timed" if one["seconds"] is None else duration(one["seconds"] * settings.seeds),
        )
    aims = ", ".join(f"{direction} {measure}" for direction, measure in settings.aims)
    low, high = whole["seconds_per_trial_range"]
    done, ends = whole["ends_checked"]
    if done < ends:
        show(f"set up and grown: {done} of the {ends} ends of the space; a search sets up all of them first")
    show(*(f"{name}: {one}" for name, one in whole["parameters"].items()), table)
    for name, one in examples.items():
        if one["chosen"]:
            show(f"{name}: {', '.join(f'{key} {_short(value)}' for key, value in one['chosen'].items())}")
    show(
        f"{_budget(settings)} to {aims}; sampler {settings.sampler}, pruner {settings.pruned_by}; "
        f"about {duration(whole['seconds_per_trial'])} a trial ({duration(low)} to {duration(high)}), "
        f"{_whole_time(whole, settings)}"
    )


def _budget(settings: SearchConfig) -> str:
    """The budget in words."""
    budget = settings.whole
    if budget.trials is not None:
        race = settings.planned_race(budget.trials, settings.trials_of)
        part = f", {settings.trials_of(race)} of them for the race" if race else ""
        return f"{budget.trials} trials{part}"
    return f"{human(budget.flops)} training FLOPs" if budget.flops is not None else f"{budget.hours:g} hours"


def _whole_time(whole: dict[str, Any], settings: SearchConfig) -> str:
    """How long the search may take; where it has FLOPs or hours, how many trials it may have is seen as it runs."""
    if settings.whole.trials is None:
        return f"with {whole['workers']} workers until the budget is used"
    rounds = settings.whole.trials / whole["workers"]
    low, high = whole["seconds_per_trial_range"]
    return (
        f"{duration(whole['seconds_per_trial'] * rounds)} in all with {whole['workers']} workers "
        f"({duration(rounds * low)} to {duration(rounds * high)} if all were like the cheapest or the dearest of "
        "these), less what is pruned or reused and more for growth steps; once trials run, the search says it from "
        "their own steps"
    )
