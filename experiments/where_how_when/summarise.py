"""Read a finished comparison into a results file, and print the tables of the README.

uv run python experiments/where_how_when/summarise.py runs/where_how_when_digits \\
    experiments/where_how_when/results_digits.json

Besides each combination against the reference: what each choice is worth on average over all combinations of the other
two. One number a seed for each choice, so that seeds stay the pairs of the test; Holm's correction over all choices.
"""

from __future__ import annotations

import json
import sys
from itertools import product
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from growsearch.statistics import difference_interval, holm, permutation_p_value

FACTORS = {
    "where": ("uniform", "round_robin", "firefly"),
    "how": ("random", "split", "gradmax"),
    "when": ("early", "late"),
}
"""The first level of each is what the others are compared with."""


def main() -> None:
    folder, target = Path(sys.argv[1]), Path(sys.argv[2])
    results = json.loads((folder / "results.json").read_text())
    environment = json.loads((folder / "environment.json").read_text())
    accuracies = {name: row["test_accuracy"] for name, row in results["policies"].items()}
    effects, verdict = main_effects(accuracies), results["verdict"]
    verdict["pairs"] = [pair for pair in verdict["pairs"] if pair["against"] == verdict["reference"]]
    record = {
        "environment": environment,
        "policies": {
            name: {
                "test_accuracy": row["test_accuracy"],
                "mean_parameters": round(mean(row["parameters"])),
                "mean_training_flops": round(mean(row["training_flops"])),
                "mean_seconds": round(mean(row["seconds"]), 2),
                "growth_share": round(sum(row["growth_seconds"]) / sum(row["seconds"]), 4),
            }
            for name, row in results["policies"].items()
        },
        "verdict": verdict,
        "effects": effects,
    }
    target.write_text(json.dumps(record, indent=1) + "\n")
    print_tables(record)


def main_effects(accuracies: dict[str, list[float]]) -> list[dict[str, Any]]:
    """For each level but the first of each factor: its mean difference to the first, in points, over the seeds."""
    found = []
    for factor, levels in FACTORS.items():
        others = [FACTORS[name] for name in FACTORS if name != factor]
        for level in levels[1:]:
            rests = list(product(*others))
            seeds = range(len(accuracies[cell(factor, level, rests[0])]))
            by_seed = [
                mean(
                    100
                    * (accuracies[cell(factor, level, rest)][seed] - accuracies[cell(factor, levels[0], rest)][seed])
                    for rest in rests
                )
                for seed in seeds
            ]
            found.append({"factor": factor, "level": level, "against": levels[0], "by_seed": by_seed})
    corrected = holm([permutation_p_value(each["by_seed"]) for each in found])
    for each, p in zip(found, corrected, strict=True):
        each |= {"mean": mean(each["by_seed"]), "interval": difference_interval(each["by_seed"]), "p_corrected": p}
    return found


def cell(factor: str, level: str, rest: tuple[str, ...]) -> str:
    """Name of a policy: where, how and when, of which `rest` are the two others in this order."""
    values = iter(rest)
    return "-".join(level if name == factor else next(values) for name in FACTORS)


def print_tables(record: dict[str, Any]) -> None:
    verdict = record["verdict"]
    pairs = {pair["policy"]: pair for pair in verdict["pairs"]}
    print("| policy | test accuracy | against the reference, p corrected | parameters | training FLOPs | growth |")
    print("|---|---|---|---|---|---|")
    for name, row in sorted(record["policies"].items(), key=lambda pair: -mean(pair[1]["test_accuracy"])):
        values = [100 * value for value in row["test_accuracy"]]
        against = "reference"
        if pair := pairs.get(name):
            against = f"{100 * pair['mean_difference']:+.2f} (p = {pair['adjusted_p_value']:.2g})"
        print(
            f"| {name} | {mean(values):.2f} ± {stdev(values):.2f} % | {against} | {row['mean_parameters']:,} | "
            f"{row['mean_training_flops'] / 1e9:.1f} G | {100 * row['growth_share']:.0f} % |"
        )
    print("\n| choice | instead of | points, all else equal | 95 % interval | p corrected |\n|---|---|---|---|---|")
    for each in record["effects"]:
        low, high = each["interval"]
        print(
            f"| {each['factor']}: {each['level']} | {each['against']} | {each['mean']:+.2f} | "
            f"{low:+.2f} to {high:+.2f} | {each['p_corrected']:.2g} |"
        )
    print("\n>", verdict["sentence"])


if __name__ == "__main__":
    main()
