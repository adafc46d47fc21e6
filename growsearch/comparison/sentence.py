"""The verdict in plain words."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from growsearch.comparison.metric import Metric, Policies, show_p
from growsearch.comparison.pairs import Pair
from growsearch.comparison.wording import NOTHING_TESTED, ONE_SEED
from growsearch.number_format import plural
from growsearch.statistics import LEVEL, seeds_needed, smallest_p_value


def verdict_sentence(metric: Metric, policies: Policies, reference: str, pairs: Sequence[Pair]) -> str:
    """Say which policy came out first, which ones are better or worse than the reference, and why or why not.

    Args:
        metric: what policies are ranked by.
        policies: their results.
        reference: the policy that the others are compared with.
        pairs: these comparisons.
    """
    means = {name: fmean(rows[metric.key]) for name, rows in policies.items() if rows[metric.key]}
    if not means:
        return "No run has finished."
    ranked = sorted(means, key=lambda name: means[name], reverse=metric.higher_is_better)
    if len(policies) == 1:
        [only] = ranked
        return f"{only} reaches a {metric.words} of {metric.show(means[only])} ({_over(policies[only])})."
    against = [pair for pair in pairs if pair.against == reference]
    parts = [_first(metric, policies, ranked, means), _directions(metric, reference, against), _gaps(policies)]
    return " ".join(part for part in parts if part)


def _first(metric: Metric, policies: Policies, ranked: Sequence[str], means: dict[str, float]) -> str:
    first = ranked[0]
    extreme = "highest" if metric.higher_is_better else "lowest"
    text = f"{first} has the {extreme} mean {metric.words}: {metric.show(means[first])} over {_seeds(policies[first])}"
    return f"{text}; next is {ranked[1]} with {metric.show(means[ranked[1]])}." if len(ranked) > 1 else f"{text}."


def _directions(metric: Metric, reference: str, against: Sequence[Pair]) -> str:
    """What differs significantly from the reference; or that nothing does, and what it would take."""
    if not against:
        return f"No winner is called: no seed has finished for both {reference}, the reference, and another policy."
    number = f"{plural(len(against), 'comparison')} with {reference}"
    most, needed = max(pair.seeds for pair in against), seeds_needed(len(against))
    significant = [pair for pair in against if pair.direction]
    if not significant and most == 1:
        return f"No winner is called. {NOTHING_TESTED}; that takes at least {needed} seeds."
    if not significant and most < needed:
        least = smallest_p_value(most, len(against))
        return (
            f"No winner is called: with {plural(most, 'seed')} and {number}, no difference can be told "
            f"from chance, however large (p is {least:.2g} at best and has to be {LEVEL:g} or less). It takes at least "
            f"{needed} seeds."
        )
    if not significant:
        least = min(pair.adjusted_p_value for pair in against if pair.adjusted_p_value is not None)
        corrected = f", corrected for {number}" if len(against) > 1 else ""
        return (
            f"No winner is called: on the same seeds, no policy differs from {reference} by more than chance explains "
            f"(smallest {show_p(least)}{corrected}). That does not show that they are equal: more seeds may tell."
        )
    parts = [
        _listed(f"{word.capitalize()} than {reference} on the same seeds", metric, significant, word)
        for word in ("better", "worse")
    ]
    if rest := [pair.policy for pair in against if not pair.direction]:
        parts.append(f"Not told apart from {reference}: {', '.join(rest)}.")
    if len(against) > 1:
        parts.append(f"Only differences from {reference} are tested; p is corrected for all {len(against)}.")
    return " ".join(part for part in parts if part)


def _listed(start: str, metric: Metric, pairs: Sequence[Pair], direction: str) -> str:
    items = [
        f"{pair.policy} ({metric.show_change(pair.mean_difference)}, {show_p(pair.adjusted_p_value)})"
        for pair in pairs
        if pair.direction == direction and pair.adjusted_p_value is not None
    ]
    return f"{start}: {', '.join(items)}." if items else ""


def _gaps(policies: Policies) -> str:
    """Policies that lack seeds which others have: their means are not over the same seeds."""
    every = {seed for rows in policies.values() for seed in rows["seeds"]}
    missing = {name: len(every) - len(rows["seeds"]) for name, rows in policies.items()}
    gaps = [f"{name} lacks {count} of {len(every)} seeds" for name, count in missing.items() if count]
    return f"Beware: {', '.join(gaps)}; the runs that failed may not be like those that finished." if gaps else ""


def _over(rows: dict[str, list[object]]) -> str:
    return ONE_SEED if len(rows["seeds"]) == 1 else f"mean of {_seeds(rows)}"


def _seeds(rows: dict[str, list[object]]) -> str:
    return plural(len(rows["seeds"]), "seed")
