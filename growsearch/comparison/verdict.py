"""What a comparison found: which policies are better than the reference, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import fmean
from typing import Any

from growsearch.comparison.metric import Policies, metric_of
from growsearch.comparison.pairs import all_pairs
from growsearch.comparison.sentence import verdict_sentence
from growsearch.errors import InputError
from growsearch.registry import nearest
from growsearch.statistics import LEVEL, interquartile_mean, seeds_needed, standard_deviation

DEFAULT_REFERENCE = "random"  # growing at the same times by the same amounts, with nothing learnt about how


def reference_of(policies: Iterable[str], named: str | None = None) -> str:
    """The policy that all others are tested against: the one named, else `random`, else the first.

    Raises `InputError` where the named one is none of the policies.
    """
    names = list(policies)
    if named is None:
        return DEFAULT_REFERENCE if DEFAULT_REFERENCE in names else names[0]
    if named not in names:
        raise InputError(f"reference: unknown policy {named!r} (allowed {', '.join(names)}){nearest(named, names)}")
    return named


def describe(policies: Policies, reference: str | None = None) -> dict[str, Any]:
    """`results.json`'s verdict: the metric, the paired differences of every two policies, and what can be called.

    Differences are taken between runs of the same seed. Each policy is tested against the reference, by an exact
    paired permutation test at 5 %, corrected for all these tests; with fewer than six seeds nothing is called.
    """
    metric = metric_of(policies)
    reference = reference_of(policies, reference)
    pairs = all_pairs(metric, policies, reference)
    finished = {name: rows[metric.key] for name, rows in policies.items() if rows[metric.key]}
    comparisons = sum(pair.against == reference for pair in pairs)
    return {
        "metric": metric.key,
        "higher_is_better": metric.higher_is_better,
        "reference": reference,
        "level": LEVEL,
        "seeds_needed": seeds_needed(comparisons) if comparisons else None,
        "better": [pair.policy for pair in pairs if pair.call == "better"],
        "worse": [pair.policy for pair in pairs if pair.call == "worse"],
        "policies": {
            name: {
                "mean": fmean(values),
                "standard_deviation": standard_deviation(values),
                "interquartile_mean": interquartile_mean(values),
            }
            for name, values in finished.items()
        },
        "pairs": [pair.plain() for pair in pairs],
        "sentence": verdict_sentence(metric, policies, reference, pairs),
    }
