"""What explains the differences between a table's configurations; writes importance_NAME.json.

python -m experiments.growth_tables.importance digits
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.growth_tables.replays import where
from growsearch.runs.files import write_json
from growsearch.tables import GrowthTable, load
from growsearch.tables.importance import Anova
from growsearch.tables.outcomes import Pool
from growsearch.tables.surrogate import Surrogate

HERE = Path(__file__).parent
CHOICES = ("growth.when", "growth.where", "growth.how", "training.optimizer")

Array = NDArray[np.floating[Any]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", help="a name, or an .npz file")
    parser.add_argument("--repeats", type=int, default=100, help="of the bootstrap")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    table = load(options.table)
    anova = Anova(table)
    loss = log_loss(table)
    targets = {"whole": loss, "better half": np.minimum(loss, np.median(loss))}
    found: dict[str, Any] = {
        "command": f"python -m experiments.growth_tables.importance {table.name}",
        **where(),
        "table": {"name": table.name, "configurations": len(table), "seeds": len(table.seeds)},
        "wanted": table.about["configurations wanted"],
        "repeats": options.repeats,
        "parameters": {group: list(names) for group, names in anova.groups.items()},
        "importance": {
            name: {group: asdict(one) for group, one in anova.importances(target, options.repeats).items()}
            for name, target in targets.items()
        },
        "options": {
            choice: {o: asdict(m) for o, m in anova.option_means(targets["whole"], choice, options.repeats).items()}
            for choice in CHOICES
            if choice in table.parameters
        },
        "spread": spread(table),
        "best tenth": best_tenth(table, loss),
        "quality": {name: asdict(one) for name, one in Surrogate(Pool(table)).quality.items()},
    }
    write_json(options.out or HERE / f"importance_{table.name}.json", found)
    print(json.dumps({key: found[key] for key in ("importance", "spread", "best tenth")}, indent=1))


def log_loss(table: GrowthTable) -> Array:
    """The logarithm of the validation loss at the end, the mean over seeds; a run that failed has the highest."""
    ends = np.where(table.complete, table.ends("validation_loss").astype(float), np.nan)
    ends = np.where(np.isfinite(ends), ends, np.nanmax(ends))
    return np.asarray(np.log(ends).mean(axis=1))


def spread(table: GrowthTable) -> dict[str, Any]:
    """How far configurations and seeds are apart, at the end: standard deviations, of the best 30 % too.

    The truth's variance is that of the means less what the noise of the seeds puts into them.
    """
    found: dict[str, Any] = {}
    for name in ("validation_accuracy", "validation_loss", "test_accuracy", "test_loss"):
        if name not in table.curves and name not in table.final:
            continue
        values = np.where(table.complete, table.ends(name).astype(float), np.nan)
        values = values[np.isfinite(values).all(axis=1)]
        order = values.mean(axis=1).argsort()
        best = order[-round(0.3 * len(order)) :] if "accuracy" in name else order[: round(0.3 * len(order))]
        for kind, part in (("all", values), ("best 30 %", values[best])):
            noise = part.var(axis=1, ddof=1).mean()
            means = part.mean(axis=1).var(ddof=1)
            found[f"{name}, {kind}"] = {
                "noise": float(np.sqrt(noise)),
                "truth": float(np.sqrt(max(0.0, means - noise / part.shape[1]))),
                "mean": float(part.mean()),
            }
    return found


def best_tenth(table: GrowthTable, loss: Array) -> dict[str, Any]:
    """How often the best tenth of the configurations has every option, beside how often all have it."""
    best = loss.argsort()[: round(0.1 * len(loss))]
    found: dict[str, Any] = {}
    for choice in CHOICES:
        if choice not in table.parameters:
            continue
        points = [table.point(number) for number in range(len(table))]
        grows = [point["growth.when"] != "never" for point in points]
        counts = [n for n in range(len(table)) if grows[n] or choice in ("growth.when", "training.optimizer")]
        options = sorted({points[number][choice] for number in counts})
        there = [number for number in best if number in counts]
        found[choice] = {
            option: {
                "best tenth": sum(points[number][choice] == option for number in there) / max(1, len(there)),
                "all": sum(points[number][choice] == option for number in counts) / len(counts),
            }
            for option in options
        }
    return found


if __name__ == "__main__":
    main()
