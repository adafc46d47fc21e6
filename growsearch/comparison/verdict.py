"""What a comparison found, in words and in paired differences."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from statistics import fmean, stdev
from typing import Any

ENOUGH_SEEDS = 6  # an exact paired sign test cannot reach 5 % below six pairs: 2 / 2**5 = 6 %

Policies = dict[str, dict[str, list[Any]]]


@dataclass(frozen=True)
class Metric:
    """What policies are ranked by."""

    key: str
    words: str
    higher_is_better: bool

    def better(self, one: float, other: float) -> bool:
        """Whether `one` is the better value."""
        return one > other if self.higher_is_better else one < other

    def show(self, value: float) -> str:
        """A value as the reader sees it."""
        return f"{100 * value:.2f} %" if self.higher_is_better else f"{value:.4g}"

    def show_difference(self, value: float) -> str:
        """The size of a difference between two values."""
        return f"{100 * abs(value):.2f} points" if self.higher_is_better else f"{abs(value):.3g}"


ACCURACY = Metric("test_accuracy", "test accuracy", True)
LOSS = Metric("test_loss", "test loss", False)


def metric_of(policies: Policies) -> Metric:
    """Test accuracy where the runs have one, otherwise test loss."""
    values = [value for rows in policies.values() for value in rows["test_accuracy"]]
    return ACCURACY if values and None not in values else LOSS


def spread(values: list[float]) -> float:
    """Standard deviation over seeds; 0 for one seed."""
    return stdev(values) if len(values) > 1 else 0.0


def describe(policies: Policies) -> dict[str, Any]:
    """`results.json`'s verdict: the metric, the paired differences of every two policies, and a sentence.

    Descriptive only: differences are taken between runs of the same seed, and nothing is called better.
    """
    metric = metric_of(policies)
    pairs = [
        pair
        for first, second in combinations(policies, 2)
        if (pair := _paired(metric, first, policies[first], second, policies[second]))
    ]
    return {
        "metric": metric.key,
        "higher_is_better": metric.higher_is_better,
        "pairs": pairs,
        "sentence": _sentence(metric, policies, pairs),
    }


def _paired(
    metric: Metric, first: str, ours: dict[str, list[Any]], second: str, theirs: dict[str, list[Any]]
) -> dict[str, Any] | None:
    """`first` minus `second`, over the seeds that both finished; None where there is none."""
    others = dict(zip(theirs["seeds"], theirs[metric.key], strict=True))
    values = [
        (value, others[seed]) for seed, value in zip(ours["seeds"], ours[metric.key], strict=True) if seed in others
    ]
    if not values:
        return None
    differences = [one - other for one, other in values]
    return {
        "policy": first,
        "against": second,
        "seeds": len(values),
        "mean_difference": fmean(differences),
        "standard_error": spread(differences) / len(values) ** 0.5 if len(values) > 1 else None,
        "wins": sum(metric.better(one, other) for one, other in values),
        "losses": sum(metric.better(other, one) for one, other in values),
    }


def _sentence(metric: Metric, policies: Policies, pairs: list[dict[str, Any]]) -> str:
    """The outcome in plain words."""
    means = {name: fmean(rows[metric.key]) for name, rows in policies.items() if rows[metric.key]}
    if not means:
        return "No run has finished."
    ranked = sorted(means, key=lambda name: means[name], reverse=metric.higher_is_better)
    first = ranked[0]
    extreme = "highest" if metric.higher_is_better else "lowest"
    if len(ranked) == 1:
        return f"{first} reaches a {metric.words} of {metric.show(means[first])} (mean of {_seeds(policies[first])})."
    text = (
        f"{first} has the {extreme} mean {metric.words} of the {len(ranked)} policies: {metric.show(means[first])} "
        f"over {_seeds(policies[first])}"
    )
    second = ranked[1]
    pair = next((pair for pair in pairs if {pair["policy"], pair["against"]} == {first, second}), None)
    if pair:
        wins = pair["wins"] if pair["policy"] == first else pair["losses"]
        # On the seeds that both have finished the order can be another than that of the means.
        ahead = pair["mean_difference"] if pair["policy"] == first else -pair["mean_difference"]
        side = "above" if ahead > 0 else "below"
        gap = f"{metric.show_difference(pair['mean_difference'])} {side}" if ahead else "level with"
        text += f", {gap} {second} on the same seeds"
        text += f" (ahead on {wins} of {pair['seeds']})"
        if pair["seeds"] < ENOUGH_SEEDS:
            text += f". With fewer than {ENOUGH_SEEDS} seeds no difference can be called significant"
    return text + "."


def _seeds(rows: dict[str, list[Any]]) -> str:
    count = len(rows["seeds"])
    return f"{count} seed" + ("s" if count != 1 else "")
