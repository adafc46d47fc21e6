"""Replay searches on a table: rules of choice, rungs, races, starts, workers; writes replays_NAME.json.

python -m experiments.growth_tables.replays digits
python -m experiments.growth_tables.replays digits --samplers

The second replays samplers, and writes samplers_NAME.json.

Rules and starts are replayed with random sampling among the table's configurations; where a table has too few seeds for
a race and one to judge it by, on a model of the table, as samplers are. Equal repeats of two arms have equal seeds and
equal random configurations, so differences are paired.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata, studentized_range

from growsearch.config.search_config import RaceConfig
from growsearch.execution.environment import describe_environment
from growsearch.runs.files import write_json
from growsearch.search.drawing import quasi_random
from growsearch.statistics.paired import difference_interval
from growsearch.tables import load
from growsearch.tables.outcomes import COSTS, Pool
from growsearch.tables.replay import Arm, Judged, best, replay, replay_modelled
from growsearch.tables.rules import BEFORE, Rule
from growsearch.tables.surrogate import Surrogate

HERE = Path(__file__).parent
BUDGETS = (12, 24, 48, 96)
FINE = (6, 8, 12, 16, 24, 32, 48)  # for starts
GRID = tuple(range(2, 97, 2))  # FLOPs at which a search is looked at on its way
SMALL_RACE = RaceConfig(top=3, seeds=3)
WORKERS = (1, 4, 16)
RULES = {
    "accuracy, 2 seeds": Arm(Rule(measure="validation_accuracy", seeds=2, rungs=(), race="none")),
    "before: accuracy, rungs by FLOPs": Arm(BEFORE),
    "accuracy, rung, race": Arm(Rule(measure="validation_accuracy")),
    "loss": Arm(Rule(rungs=(), race="none")),
    "loss, race 3 x 3": Arm(Rule(rungs=(), race=SMALL_RACE)),
    "loss, rung": Arm(Rule(race="none")),
    "loss, rung, race 3 x 3": Arm(Rule(race=SMALL_RACE)),
    "default: loss, rung, race": Arm(Rule()),
    "loss, rung with promotion, race": Arm(Rule(promotion=True)),
}
DEFAULT, OLD = "default: loss, rung, race", "before: "  # the latter as it begins
STARTS = {start: Arm(Rule(), start=start) for start in ("none", "good", "wrong")}
MODELLED = (
    ("random", "rung", 24),
    ("qmc", "rung", 24),
    ("tpe", "rung", 24),
    ("random", "no rung", 24),
    ("tpe", "no rung", 24),
    ("random", "rung", 96),
    ("tpe", "rung", 96),
    ("gp", "no rung", 24),  # with a rung, and at 96, there are more trials than it is quick enough for
)
KINDS = {"rung": Rule(race="none"), "no rung": Rule(rungs=(), race="none")}
POINTS = 4096  # at which the best of a model is looked for

Array = NDArray[np.floating[Any]]
Run = Callable[[Arm, float], list[Judged]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", help="a name, or an .npz file")
    parser.add_argument("--samplers", action="store_true", help="these, on a model of the table")
    parser.add_argument("--repeats", type=int, help="by default 500, on a model 100")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    table = load(options.table)
    measure = "test_accuracy" if "test_accuracy" in table.final else "test_loss"
    pool, needed = Pool(table), 1 + RaceConfig().seeds + 1  # of the search, of its race, and to judge by
    modelled = options.samplers or pool.seeds < needed
    kind = "samplers" if options.samplers else "replays"
    repeats = options.repeats or (100 if modelled else 500)
    out = options.out or HERE / f"{kind}_{table.name}.json"
    record: dict[str, Any] = {
        "command": f"python -m experiments.growth_tables.replays {table.name}" + " --samplers" * options.samplers,
        **where(),
        "table": {"name": table.name, "configurations": len(table), "seeds": len(table.seeds)},
        "wanted": table.about["configurations wanted"],
        "measure": measure,
        "repeats": repeats,
        "modelled": modelled,
        "unit_flops": pool.unit,
    }
    run, floor = partial(on_table, pool, repeats, measure), best(pool, measure)
    if modelled:
        surrogate = Surrogate(pool, trees=100)
        record["quality"] = {name: asdict(one) for name, one in surrogate.quality.items()}
        run, floor = partial(on_model, surrogate, repeats, measure), best_modelled(surrogate, measure)
    arms = RULES if pool.has("validation_accuracy") else by_loss()
    old = next(name for name in arms if name.startswith(OLD))
    record["best"] = COSTS[measure] * floor
    if options.samplers:
        record["key"] = gains(run(arms[old], 96), run(arms[DEFAULT], 24))
        print(record["key"], flush=True)
        samplers(run, lambda found: write_json(out, record | {"arms": found}))
        return
    record |= rules(run, arms, old, floor, lambda found: write_json(out, record | found))
    record |= {"starts": starts(run, floor)}
    write_json(out, record)
    record |= {"workers": workers(run)}
    write_json(out, record)
    print(json.dumps(record["key"], indent=1))


def on_table(pool: Pool, repeats: int, measure: str, arm: Arm, budget: float) -> list[Judged]:
    """Replay an arm among the configurations of a table."""
    return [replay(pool, arm, budget, repeat, measure) for repeat in range(repeats)]


def on_model(surrogate: Surrogate, repeats: int, measure: str, arm: Arm, budget: float) -> list[Judged]:
    """Replay an arm on the model of a table."""
    return [replay_modelled(surrogate, arm, budget, repeat, measure) for repeat in range(repeats)]


def best_modelled(surrogate: Surrogate, measure: str) -> float:
    """The lowest cost of a model, without noise, at some thousand points that are spread over the space."""
    source, space = surrogate.fresh(), surrogate.pool.table.space
    numbers = [source.settle(quasi_random(space, 0, number))[0] for number in range(POINTS)]
    return min(source.truth(number, measure) for number in numbers)


def by_loss() -> dict[str, Arm]:
    """The rules where there is no accuracy to look at, each once."""
    plain = {name: arm for name, arm in RULES.items() if "accuracy" not in name}
    others = {
        name.replace("accuracy", "loss"): replace(arm, rule=replace(arm.rule, measure="validation_loss"))
        for name, arm in RULES.items()
        if name not in plain
    }
    return {name: arm for name, arm in others.items() if arm not in plain.values()} | plain


def rules(
    run: Run, arms: Mapping[str, Arm], old: str, regret_from: float, tell: Callable[[dict[str, Any]], object]
) -> dict[str, Any]:
    """All rules at all budgets, regret on the way of those at the largest one, ranks, and the check of the defaults.

    Args:
        run: replays an arm with a budget.
        arms: the rules by name.
        old: the name of the default before.
        regret_from: the lowest cost that there is.
        tell: is given what there is after every rule.
    """
    costs: dict[str, dict[int, Array]] = {}
    kept: dict[str, list[Judged]] = {}
    found: dict[str, Any] = {}
    anytime: dict[str, Any] = {}
    for name, arm in arms.items():
        costs[name], found[name] = {}, {}
        for budget in BUDGETS:
            race = arm.rule.race_within(budget)
            if race is not None and 2 * race.runs > budget:
                continue
            judged = run(arm, budget)
            costs[name][budget] = np.array([one.truth for one in judged])
            if (name, budget) in ((DEFAULT, 24), (old, 96)):
                kept[name] = judged
            found[name][budget] = {
                **mean_of(costs[name][budget]),
                "trials": float(np.mean([one.replayed.begun for one in judged])),
                "flops": float(np.mean([one.replayed.flops for one in judged])),
                "race": None if race is None else f"{race.top} x {race.seeds}",
                "beside": {name: COSTS[name] * float(every.mean()) for name, every in beside(judged).items()},
            }
            if budget == BUDGETS[-1]:
                anytime[name] = regret_on_the_way(judged, regret_from)
        tell({"rules": found, "anytime": anytime})
        print(name, {b: round(-100 * r["mean"], 2) for b, r in found[name].items()}, flush=True)
    return {
        "rules": found,
        "anytime": anytime,
        "ranks": {b: ranks(costs, b) for b in BUDGETS},
        "key": {"what": f"{DEFAULT} at 24 against {old} at 96", **gains(kept[old], kept[DEFAULT])},
    }


def gains(before: list[Judged], after: list[Judged]) -> dict[str, list[float]]:
    """By how much better a choice is than another, paired, with its interval, by measure."""
    costs, others = beside(before), beside(after)
    return {name: _paired(costs[name] - others[name]) for name in costs}


def beside(judged: list[Judged]) -> dict[str, Array]:
    """The truth about what was chosen by all measures, as costs."""
    return {name: np.array([one.beside[name] for one in judged]) for name in judged[0].beside}


def _paired(gain: Array) -> list[float]:
    return [float(gain.mean()), *(difference_interval(gain.tolist()) or ())]


def ranks(truths: Mapping[str, Mapping[int, Array]], budget: int) -> dict[str, Any]:
    """Mean ranks of the rules at a budget, and by how much two must differ (Nemenyi, 5 %)."""
    there = [name for name in truths if budget in truths[name]]
    table = np.stack([truths[name][budget] for name in there], axis=1)
    count = len(there)
    reach = studentized_range.ppf(0.95, count, np.inf) / np.sqrt(2)
    difference = float(reach * np.sqrt(count * (count + 1) / (6 * len(table))))
    means = rankdata(table, axis=1).mean(axis=0)
    return {"mean": dict(zip(there, map(float, means), strict=True)), "critical difference": difference}


def regret_on_the_way(judged: list[Judged], regret_from: float) -> dict[str, list[Any]]:
    """Regret by the truth about what would be chosen at some FLOPs: mean and interval; None before all chose once."""
    rows: dict[str, list[Any]] = {"flops": list(GRID), "mean": [], "low": [], "high": []}
    for used in GRID:
        values = [
            next(
                (
                    t
                    for c, t in zip(reversed(one.replayed.choices), reversed(one.anytime), strict=True)
                    if c.flops <= used
                ),
                None,
            )
            for one in judged
        ]
        there = [value - regret_from for value in values if value is not None]
        if len(there) < len(judged):
            for part in ("mean", "low", "high"):
                rows[part].append(None)
            continue
        mean, error = float(np.mean(there)), float(np.std(there, ddof=1) / np.sqrt(len(there)))
        rows["mean"].append(mean)
        rows["low"].append(mean - 1.96 * error)
        rows["high"].append(mean + 1.96 * error)
    return rows


def starts(run: Run, regret_from: float) -> dict[str, Any]:
    """Searches that are told three good or three wrong configurations first, and what these cost or save."""
    costs = {
        start: {budget: np.array([one.truth for one in run(arm, budget)]) for budget in FINE}
        for start, arm in STARTS.items()
    }
    found = {start: {budget: mean_of(row) for budget, row in rows.items()} for start, rows in costs.items()}
    target = found["none"][24]["mean"]
    return {
        "by budget": found,
        "target": target,
        "regret at 24": target - regret_from,
        "gain at 24": {start: _paired(costs["none"][24] - costs[start][24]) for start in ("good", "wrong")},
        "flops to it": {
            start: reached({b: row["mean"] for b, row in rows.items()}, target) for start, rows in found.items()
        },
    }


def reached(means: Mapping[int, float], target: float) -> float | None:
    """The budget at which the mean is at a target, between budgets in proportion to their logarithms."""
    budgets = sorted(means)
    best_so_far = np.minimum.accumulate([means[b] for b in budgets])
    if best_so_far[0] <= target:
        return float(budgets[0])
    for before, after, one, other in zip(budgets, budgets[1:], best_so_far, best_so_far[1:], strict=False):
        if other <= target:
            share = (one - target) / (one - other)
            return float(np.exp(np.log(before) + share * (np.log(after) - np.log(before))))
    return None


def workers(run: Run) -> dict[str, Any]:
    """Searches of 96 runs' FLOPs with several workers: what they find, and by the clock."""
    found: dict[str, Any] = {}
    for name, rule in (("stopping", Rule()), ("promotion", Rule(promotion=True))):
        for count in WORKERS:
            judged = run(Arm(rule, workers=count), 96)
            seconds = [one.replayed.choices[-1].seconds for one in judged if one.replayed.choices]
            found[f"{name}, {count}"] = {
                **mean_of(np.array([one.truth for one in judged])),
                "seconds": float(np.mean(seconds)),
            }
    return found


def samplers(run: Run, tell: Callable[[dict[str, Any]], object]) -> None:
    """Samplers over the whole space on the model, with and without a rung.

    Args:
        run: replays an arm with a budget.
        tell: is given what there is after every arm.
    """
    found: dict[str, Any] = {}
    by_arm: dict[str, Array] = {}
    for sampler, kind, budget in MODELLED:
        began = time.perf_counter()
        judged = run(Arm(KINDS[kind], sampler=sampler), budget)
        key = f"{sampler}, {kind}, {budget}"
        by_arm[key] = np.array([one.truth for one in judged])
        found[key] = {
            **mean_of(by_arm[key]),
            "trials": float(np.mean([one.replayed.begun for one in judged])),
            "gain over random": _paired(by_arm[f"random, {kind}, {budget}"] - by_arm[key]),
        }
        tell(found)
        print(key, found[key], f"{time.perf_counter() - began:.0f} s", flush=True)


def mean_of(costs: Array) -> dict[str, float]:
    """Mean and standard error over repeats."""
    return {"mean": float(costs.mean()), "error": float(costs.std(ddof=1) / np.sqrt(len(costs)))}


def where() -> dict[str, Any]:
    environment = asdict(describe_environment("cpu", 1, 1, 0))
    return {key: environment[key] for key in ("git", "packages", "processor", "cores")}


if __name__ == "__main__":
    main()
