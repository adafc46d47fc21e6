"""Which policy to use, in plain sentences: what a reader who has a minute needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from growsearch.comparison.lacking import BIG
from growsearch.comparison.metric import Metric, metric_of, show_p
from growsearch.comparison.table import TableRow, human
from growsearch.report.beside import besides
from growsearch.report.differences import interval_words
from growsearch.report.markup import plural


@dataclass(frozen=True)
class Advice:
    """The answer in one sentence, the sentences that support it, and the policy that is advised, if any."""

    headline: str
    reasons: tuple[str, ...]
    policy: str | None = None


def advise(results: dict[str, Any], rows: Sequence[TableRow]) -> Advice:
    """The answer to "which policy should I use": `rows` are the table's, the best first.

    Advised is what the verdict calls better than the reference; among several that are called, the one with the best
    mean. Where nothing is called, no policy is advised.
    """
    done = [row for row in rows if row.seeds]
    reference = results["verdict"].get("reference")
    if len(done) < 2 or reference is None:
        return Advice(results["verdict"]["sentence"], ())
    metric = metric_of(results["policies"])
    fixed = {name for name, policy in results["policies"].items() if not any(policy["growth_events"])}
    called = [row for row in done if row.pair is not None and row.pair["call"] == "better"]
    grown = [row for row in called if row.policy not in fixed]
    if grown:
        return _use(results, grown, done, fixed, reference)
    return _nothing(results, metric, called, done, fixed, reference)


def _use(
    results: dict[str, Any], grown: list[TableRow], done: list[TableRow], fixed: set[str], reference: str
) -> Advice:
    """At least one policy that grows is called better."""
    metric = metric_of(results["policies"])
    best = grown[0]
    pair = best.pair or {}
    size = metric.show_change(pair["mean_difference"]).removeprefix("+").removeprefix("−")
    word = "higher" if metric.higher_is_better else "lower"
    interval = f"95 % interval {interval_words(metric, pair['interval'])}, " if pair["interval"] else ""
    reasons = [
        f"It reaches a {metric.words} of {metric.show(best.mean)}, {size} {word} than {reference} on the same "
        f"{plural(pair['seeds'], 'seed')} ({interval}{show_p(pair['adjusted_p_value'])})."
    ]
    if len(grown) > 1:
        also = _named([f"{row.policy} ({metric.show(row.mean)})" for row in grown[1:]])
        cheap = min(grown, key=lambda row: row.training_flops)
        least = f" Of all these, {cheap.policy} takes the fewest training FLOPs." if cheap is not best else ""
        reasons.append(
            f"Also better than {reference}: {also}. Which of these is best is not tested, and the first of several "
            f"looks a little better than it is.{least}"
        )
    ahead = [row for row in done if row.policy not in fixed and row.pair and not row.pair["call"]]
    ahead = [row for row in ahead if metric.better(row.mean, best.mean)]
    if ahead:
        names = _named([f"{row.policy} ({metric.show(row.mean)})" for row in ahead])
        verb = "has a better mean, but is" if len(ahead) == 1 else "have better means, but are"
        reasons.append(f"{names} {verb} not told apart from {reference}: too uneven over the seeds.")
    others = [row for row in done if row.policy in fixed and metric.better(row.mean, best.mean)]
    headline = f"Of the policies that grow, use {best.policy}." if others else f"Use {best.policy}."
    reasons += _controls(results, best.policy) or _beside_big(results, best, metric)
    return Advice(headline, (*reasons, *_cost(best, done, fixed, metric)), best.policy)


def _nothing(
    results: dict[str, Any],
    metric: Metric,
    called: list[TableRow],
    done: list[TableRow],
    fixed: set[str],
    reference: str,
) -> Advice:
    """No policy that grows is called better than the reference."""
    verdict = results["verdict"]
    most = max((row.pair["seeds"] for row in done if row.pair), default=0)
    still = ", which does not grow," if done[0].policy in fixed else ""
    first = f"{done[0].policy}{still} has the best mean {metric.words}, {metric.show(done[0].mean)}"
    costs = (*_best_grown(results, done, fixed, metric), *_cost(done[0], done, fixed, metric))
    if verdict["seeds_needed"] is None or most < verdict["seeds_needed"]:
        needed = "" if verdict["seeds_needed"] is None else f"; it takes at least {verdict['seeds_needed']}"
        why = f"{first}, but {plural(most, 'seed')} cannot tell a difference from chance, however large{needed}."
        return Advice("Too few seeds to say which policy to use.", (why, *costs))
    if called:
        names = _named([f"{row.policy} ({metric.show(row.mean)})" for row in called])
        why = f"Only without growth is anything called better than {reference}: {names}."
        return Advice("No way of growing stands out.", (why, *costs))
    tests = len([row for row in done if row.pair])
    why = (
        f"{first}, but over {plural(most, 'seed')} no policy is called better than {reference} "
        f"({plural(tests, 'comparison')}, p corrected for all). That does not show that they are equal."
    )
    worse = [f"{row.policy} ({metric.show(row.mean)})" for row in done if row.pair and row.pair["call"] == "worse"]
    said = (f"Called worse than {reference}: {_named(worse)}.",) if worse else ()
    return Advice(f"No policy is shown to be better than {reference}.", (why, *said, *costs))


def _best_grown(results: dict[str, Any], done: Sequence[TableRow], fixed: set[str], metric: Metric) -> list[str]:
    """The policy that grows with the best mean, where it is not the best of all, and how it stands beside `big`."""
    grown = next((row for row in done if row.policy not in fixed), None)
    if grown is None:
        return []
    beside = _beside_big(results, grown, metric)
    if grown is done[0]:
        return beside
    best = f"Of the policies that grow, {grown.policy} has the best mean, {metric.show(grown.mean)}, after "
    return [f"{best}{human(grown.training_flops)} training FLOPs.", *beside]


def _beside_big(results: dict[str, Any], grown: TableRow, metric: Metric) -> list[str]:
    """How a policy stands beside a fixed network of the size that it ends with."""
    one = besides(results).get(grown.policy, {}).get(BIG)
    if one is None or one.difference is None:
        return []
    interval = f" (95 % interval {interval_words(metric, one.interval)})" if one.interval else ""
    return [
        f"Beside {one.control}, a fixed network of the size that it ends with, {grown.policy} is at "
        f"{metric.show_change(one.difference)} on the same seeds{interval}, with {one.flops:.2g} times its training "
        "FLOPs."
    ]


def _controls(results: dict[str, Any], policy: str) -> list[str]:
    """What the policy is beside its own controls, where the comparison has any."""
    found = results["verdict"].get("controls") or {}
    pairs = zip(found.get("pairs", []), found.get("sentences", []), strict=False)
    return [sentence for pair, sentence in pairs if pair["policy"] == policy]


def _cost(best: TableRow, done: Sequence[TableRow], fixed: set[str], metric: Metric) -> list[str]:
    """What the policy costs, and what networks that do not grow reach."""
    share = f", {100 * best.growth_share:.0f} % of them in growth steps" if best.growth_share >= 0.005 else ""
    lines = [
        f"{best.policy} ends with {best.size()} parameters, after {human(best.training_flops)} training FLOPs and "
        f"{best.seconds:.1f} seconds{share}."
    ]
    if others := [row for row in done if row.policy in fixed and row is not best]:
        listed = _named(
            [
                f"{row.policy} reaches {metric.show(row.mean)} with {row.size()} parameters and "
                f"{human(row.training_flops)} training FLOPs"
                for row in others
            ]
        )
        lines.append(f"Without growth, {listed}.")
    return lines


def _named(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
