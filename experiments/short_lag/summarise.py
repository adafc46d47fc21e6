"""Print the tables of the README from results.json.

uv run python experiments/short_lag/summarise.py
"""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path
from statistics import fmean
from typing import Any

from scipy.stats import spearmanr

from growsearch.statistics import difference_interval

TIE = 1e-4  # losses this close are one rank: exact operators differ by rounding at k = 0
Runs = dict[str, dict[str, dict[str, Any]]]


def main() -> None:
    record = json.loads((Path(__file__).parent / "results.json").read_text())
    print(record["environment"])
    for name, runs in record["runs"].items():
        print(f"\n{name}: seeds {seeds(runs)}")
        correlations(runs)
        finals = [[by_seed[seed]["final"] for by_seed in runs.values()] for seed in seeds(runs)]
        chance = fmean(fmean(own) - min(own) for own in finals)
        agreement = [float(spearmanr(one, other).statistic) for one, other in combinations(finals, 2)]
        print(
            f"an operator by chance: +{chance:.4f}; final losses of two seeds: rank correlation {fmean(agreement):+.2f}"
        )
        operators(runs)


def seeds(runs: Runs) -> list[str]:
    """Those that every operator has finished."""
    return sorted(set.intersection(*(set(by_seed) for by_seed in runs.values())))


def correlations(runs: Runs) -> None:
    """Rank correlation, over operators, of the loss after k steps with the final one, and how much more than at k = 0.

    Then by how much the operator that is lowest after k steps ends above the one that ends lowest.
    """
    found = {lag: [rank_correlation(runs, seed, lag) for seed in seeds(runs)] for lag in lags(runs)}
    for lag, values in found.items():
        gains = [value - zero for value, zero in zip(values, found["0"], strict=True)]
        cells = [f"{fmean(values):+.2f} {interval(values)}", f"{fmean(gains):+.2f} {interval(gains)}"]
        print(f"| {lag} | {' | '.join(cells)} | {fmean(regret(runs, seed, lag) for seed in seeds(runs)):+.4f} |")


def operators(runs: Runs) -> None:
    for operator, by_seed in runs.items():
        own = [by_seed[seed] for seed in seeds(runs)]
        cells = [f"{fmean(one['lags'][lag] - one['before'] for one in own):+.4f}" for lag in lags(runs)]
        steps, share = fmean(one["steps"] for one in own), fmean(one["growth_flops"] / one["flops"] for one in own)
        final = fmean(one["final"] for one in own)
        print(
            f"| {operator} | {own[0]['parameters']:,} | {' | '.join(cells)} | {final:.4f} | {steps:.0f} | {share:.0%} |"
        )


def lags(runs: Runs) -> list[str]:
    return list(next(iter(next(iter(runs.values())).values()))["lags"])


def early(runs: Runs, seed: str, lag: str) -> list[int]:
    return [round(by_seed[seed]["lags"][lag] / TIE) for by_seed in runs.values()]


def regret(runs: Runs, seed: str, lag: str) -> float:
    """Of several that are lowest, the mean."""
    found, finals = early(runs, seed, lag), [by_seed[seed]["final"] for by_seed in runs.values()]
    return fmean(f for e, f in zip(found, finals, strict=True) if e == min(found)) - min(finals)


def rank_correlation(runs: Runs, seed: str, lag: str) -> float:
    return float(spearmanr(early(runs, seed, lag), [by_seed[seed]["final"] for by_seed in runs.values()]).statistic)


def interval(values: list[float]) -> str:
    found = difference_interval(values)
    return "(under 6 seeds)" if found is None else f"[{found[0]:+.2f}, {found[1]:+.2f}]"


if __name__ == "__main__":
    main()
