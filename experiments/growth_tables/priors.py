"""What defaults in ranges are worth, on a model of a table: none, good ones and wrong ones; writes priors_NAME.json.

    python -m experiments.growth_tables.priors digits [--repeats 100]

The defaults are those of what a user is likely to have an opinion on: the optimizer, its learning rate and the width to
start from. Good ones are the middle of the best tenth of the table's configurations, wrong ones that of the worse half.
The samplers are those of `growsearch search`; the truth is the model's, without noise.
"""

from __future__ import annotations

import argparse
import copy
import json
from pathlib import Path
from statistics import median, mode
from typing import Any

import numpy as np

from experiments.growth_tables.replays import mean_of, where
from growsearch.runs.files import write_json
from growsearch.search.space import value_at
from growsearch.statistics import difference_interval
from growsearch.tables import load
from growsearch.tables.outcomes import Pool
from growsearch.tables.replay import Arm, replay_modelled, truths
from growsearch.tables.rules import Rule
from growsearch.tables.surrogate import Surrogate

HERE = Path(__file__).parent
BUDGETS = (4, 8, 12, 16, 24)
OPTIMIZER, WIDTH = "training.optimizer", "network.width"


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table")
    parser.add_argument("--repeats", type=int, default=100)
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
        "command": f"python -m experiments.growth_tables.priors {table.name}",
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
    costs: dict[tuple[str, int], Any] = {}
    arm = Arm(Rule(race="none"), sampler="tpe")
    for budget in BUDGETS:
        for name, space in spaces.items():
            judged = [replay_modelled(surrogate, arm, budget, r, measure, space) for r in range(options.repeats)]
            costs[name, budget] = np.array([one.truth for one in judged])
            gain = (costs["none", budget] - costs[name, budget]).tolist()
            record["found"].setdefault(name, {})[str(budget)] = {
                **mean_of(costs[name, budget]),
                "gain over none": [float(np.mean(gain)), *(difference_interval(gain) or ())],
            }
            print(budget, name, json.dumps(record["found"][name][str(budget)]), flush=True)
        write_json(HERE / f"priors_{table.name}.json", record)


if __name__ == "__main__":
    main()
