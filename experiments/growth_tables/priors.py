"""What defaults in ranges are worth, on a model of a table: none, good ones and wrong ones; writes priors_NAME.json.

    python -m experiments.growth_tables.priors digits [--repeats 100]

The defaults are those of what a user is likely to have an opinion on: the optimizer, its learning rate and the width to
start from. Good ones are the middle of the best tenth of the table's configurations, wrong ones that of the worse half.
The samplers are those of `growsearch search`; the truth is the model's, without noise, and what is judged is what each
search would choose at some FLOPs on its way.
"""

from __future__ import annotations

import argparse
import copy
import json
from pathlib import Path
from statistics import median, mode
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.growth_tables.replays import mean_of, reached, where
from growsearch.runs.files import write_json
from growsearch.search.space import value_at
from growsearch.statistics import difference_interval
from growsearch.tables import load
from growsearch.tables.outcomes import Pool
from growsearch.tables.replay import Arm, Judged, replay_modelled, truths
from growsearch.tables.rules import Rule
from growsearch.tables.surrogate import Surrogate

HERE = Path(__file__).parent
BUDGETS = (4, 6, 8, 12, 16, 20, 24, 28, 32, 40)
JUDGED_AT = (12, 24)
RESAMPLES = 2000
OPTIMIZER, WIDTH = "training.optimizer", "network.width"

Array = NDArray[np.floating[Any]]


def with_defaults(pool: Pool, numbers: list[int]) -> dict[str, Any]:
    """The table's space, with the middle of some of its configurations as defaults."""
    space = copy.deepcopy(dict(pool.table.space))
    points = [pool.table.point(number) for number in numbers]
    chosen = mode(point[OPTIMIZER] for point in points)
    optimizer = space["training"]["optimizer"]
    optimizer["default"] = chosen
    for name, own in optimizer["options"].items():
        rates = [point[f"{OPTIMIZER}.{name}.lr"] for point in points if point[OPTIMIZER] == name]
        own["lr"]["default"] = (
            median(rates) if rates else value_at(pool.table.distributions[f"{OPTIMIZER}.{name}.lr"], 0.5)
        )
    space["network"]["width"]["default"] = median(point[WIDTH] for point in points)
    return space


def on_the_way(judged: Judged) -> list[float]:
    """The truth about what a search would choose at each of the budgets; the worst that it chose before its first."""
    found = [max(judged.anytime)] * len(BUDGETS)
    for choice, truth in zip(judged.replayed.choices, judged.anytime, strict=True):
        found = [truth if choice.flops <= budget else one for one, budget in zip(found, BUDGETS, strict=True)]
    return found


def flops_to_it(costs: Array, target: float) -> float | None:
    """The FLOPs at which searches `[R, B]` are at a target in the mean."""
    return reached(dict(zip(BUDGETS, costs.mean(axis=0), strict=True)), target)


def share_of_flops(none: Array, others: Array, budget: int) -> list[float | None]:
    """The FLOPs that searches `[R, B]` take to what those without defaults have at a budget, as a share of what these
    take: in the mean, and 2.5 % and 97.5 % of resampled pairs. None is more than the largest of the budgets."""

    def share(rows: NDArray[np.integer[Any]]) -> float:
        target = float(none[rows].mean(axis=0)[BUDGETS.index(budget)])
        used, own = flops_to_it(others[rows], target), flops_to_it(none[rows], target)
        assert own is not None
        return np.inf if used is None else used / own

    random, count = np.random.default_rng(0), len(none)
    drawn = [share(random.integers(count, size=count)) for _ in range(RESAMPLES)]
    found = [share(np.arange(count)), *np.quantile(drawn, (0.025, 0.975), method="nearest")]
    return [float(one) if np.isfinite(one) else None for one in found]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", choices=("digits", "cifar10_jpeg"), help="one whose optimizer is a choice")
    parser.add_argument("--repeats", type=int, default=100)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    table = load(options.table)
    pool = Pool(table)
    measure = "test_accuracy" if "test_accuracy" in table.final else "test_loss"
    surrogate = Surrogate(pool, trees=100)
    order = [int(one) for one in truths(pool, measure).mean(axis=1).argsort()]
    spaces = {
        "none": dict(table.space),
        "good": with_defaults(pool, order[: len(order) // 10]),
        "wrong": with_defaults(pool, order[len(order) // 2 :]),
    }
    record: dict[str, Any] = {
        "command": f"python -m experiments.growth_tables.priors {table.name} --repeats {options.repeats}",
        **where(),
        "table": {"name": table.name, "configurations": len(table), "seeds": len(table.seeds)},
        "measure": measure,
        "repeats": options.repeats,
        "defaults": {
            name: {
                OPTIMIZER: space["training"]["optimizer"].get("default"),
                **{key: own["lr"].get("default") for key, own in space["training"]["optimizer"]["options"].items()},
                WIDTH: space["network"]["width"].get("default"),
            }
            for name, space in spaces.items()
        },
        "found": {},
    }
    costs: dict[str, Array] = {}
    arm = Arm(Rule(race="none"), sampler="tpe")
    for name, space in spaces.items():
        judged = [replay_modelled(surrogate, arm, max(BUDGETS), r, measure, space) for r in range(options.repeats)]
        costs[name] = np.array([on_the_way(one) for one in judged])
        gains = (costs["none"] - costs[name]).T.tolist()
        record["found"][name] = {
            "by budget": {
                str(budget): {
                    **mean_of(costs[name][:, place]),
                    "gain over none": [float(np.mean(gains[place])), *(difference_interval(gains[place]) or ())],
                }
                for place, budget in enumerate(BUDGETS)
            },
            "share of the FLOPs to what none has at": {
                str(budget): share_of_flops(costs["none"], costs[name], budget) for budget in JUDGED_AT
            },
        }
        print(name, json.dumps(record["found"][name]), flush=True)
        write_json(options.out or HERE / f"priors_{table.name}.json", record)


if __name__ == "__main__":
    main()
