"""Which policy to use, in plain sentences: what a reader who has a minute needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from growsearch.comparison.metric import Metric, metric_of, show_p
from growsearch.comparison.table import TableRow, human
from growsearch.report.differences import interval_words
from growsearch.report.markup import plural
from growsearch.report.sizes import Choice, best_by_size, doing
from growsearch.report.worth import worth
from growsearch.statistics import detectable_difference


@dataclass(frozen=True)
class Advice:
    """The answer in one sentence, the sentences that support it, and the policy that is advised, if any.

    `sizes` says what to take by the size of the final network; `undecided` that the seeds were too few for any answer.
    """

    headline: str
    reasons: tuple[str, ...]
    sizes: tuple[Choice, ...] = ()
    policy: str | None = None
    undecided: bool = False


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
    called = [row for row in done if row.pair is not None and row.pair["call"] == "better"]
    grown = [row for row in called if row.change]
    growth = results["verdict"].get("growth") or {}
    if growth.get("not_grown") and not any(row.change for row in done):
        return Advice("Nothing grew: this comparison says nothing about growing.", (growth["sentence"],))
    found = (
        _use(results, metric, grown, done, reference) if grown else _nothing(results, metric, called, done, reference)
    )
    said = (growth["sentence"],) if growth.get("sentence") else ()
    return replace(found, reasons=(*said, *found.reasons), sizes=tuple(best_by_size(results, done, metric)))


def _use(
    results: dict[str, Any], metric: Metric, grown: list[TableRow], done: list[TableRow], reference: str
) -> Advice:
    """At least one policy that grows is called better."""
    best = grown[0]
    pair = best.pair or {}
    size = metric.show_change(pair["mean_difference"]).removeprefix("+").removeprefix("−")
    word = "higher" if metric.higher_is_better else "lower"
    interval = f"95 % interval {interval_words(metric, pair['interval'])}, " if pair["interval"] else ""
    reasons = [
        f"{best.policy} reaches a {metric.words} of {metric.show(best.mean)}, {size} {word} than {reference} on the "
        f"same {plural(pair['seeds'], 'seed')} ({interval}{show_p(pair['adjusted_p_value'])})."
    ]
    if len(grown) > 1:
        also = _named([f"{row.policy} ({metric.show(row.mean)})" for row in grown[1:]])
        cheap = min(grown, key=lambda row: row.training_flops)
        least = f" Of all these, {cheap.policy} takes the fewest training FLOPs." if cheap is not best else ""
        reasons.append(
            f"Also better than {reference}: {also}. Which of these is best is not tested, and the first of several "
            f"looks a little better than it is.{least}"
        )
    ahead = [row for row in done if row.change and row.pair and not row.pair["call"]]
    ahead = [row for row in ahead if metric.better(row.mean, best.mean)]
    if ahead:
        names = _named([f"{row.policy} ({metric.show(row.mean)})" for row in ahead])
        verb = "has a better mean, but is" if len(ahead) == 1 else "have better means, but are"
        reasons.append(f"{names} {verb} not told apart from {reference}: too uneven over the seeds.")
    others = [row for row in done if not row.change and metric.better(row.mean, best.mean)]
    headline = f"Of the policies that {doing(done)}, use {best.policy}." if others else f"Use {best.policy}."
    reasons += _controls(results, best.policy) or [one.text() for one in worth(results, done, metric)]
    return Advice(headline, (*reasons, _cost(best)), policy=best.policy)


def _nothing(
    results: dict[str, Any], metric: Metric, called: list[TableRow], done: list[TableRow], reference: str
) -> Advice:
    """No policy that grows is called better than the reference."""
    verdict, first = results["verdict"], done[0]
    tested = [row.pair for row in done if row.pair]
    most = max((pair["seeds"] for pair in tested), default=0)
    fixed = "" if first.change else ", a fixed network,"
    start = f"{first.policy}{fixed} has the best mean {metric.words}, {metric.show(first.mean)}"
    found = worth(results, done, metric)
    answers = tuple(one.text() for one in found)
    if verdict["seeds_needed"] is None or most < verdict["seeds_needed"]:
        needed = "" if verdict["seeds_needed"] is None else f"; it takes at least {verdict['seeds_needed']}"
        why = f"{start}, but {plural(most, 'seed')} cannot tell a difference from chance, however large{needed}."
        return Advice("Too few seeds to say which policy to use.", (why, *answers), undecided=True)
    headline = "No policy stands out."
    if found and all(one.answer == "no" for one in found):
        headline = (
            f"{doing(done, 'growing').capitalize()} was not worth it here: take a fixed network of the size you need."
        )
    if called:
        names = _named([f"{row.policy} ({metric.show(row.mean)})" for row in called])
        why = f"Only fixed networks are significantly better than {reference}: {names}."
        return Advice(headline if found else f"No way of {doing(done, 'growing')} stands out.", (why, *answers))
    why = (
        f"{start}, but over {plural(most, 'seed')} no policy is significantly better than {reference}, the reference "
        f"(p corrected for {plural(len(tested), 'comparison')}, as the intervals above are not). That does not show "
        f"that they are equal: {_missed(metric, tested)}."
    )
    worse = [f"{row.policy} ({metric.show(row.mean)})" for row in done if row.pair and row.pair["call"] == "worse"]
    said = (f"Significantly worse than {reference}: {_named(worse)}.",) if worse else ()
    return Advice(headline, (why, *said, *answers))


def _missed(metric: Metric, tested: list[dict[str, Any]]) -> str:
    """Up to what size true differences are easily missed."""
    sizes = [
        detectable_difference(pair["standard_error"], pair["seeds"], len(tested))
        for pair in tested
        if pair["standard_error"] is not None
    ]
    most = metric.show_change(max(sizes)).removeprefix("+")
    return f"so many seeds miss true differences of up to {most} more than one time out of five"


def _controls(results: dict[str, Any], policy: str) -> list[str]:
    """What the policy is beside its own controls, where the comparison has any."""
    found = results["verdict"].get("controls") or {}
    pairs = zip(found.get("pairs", []), found.get("sentences", []), strict=False)
    return [sentence for pair, sentence in pairs if pair["policy"] == policy]


def _cost(row: TableRow) -> str:
    """What a policy costs."""
    share = ""
    if row.growth_share >= 0.005:
        share = f", {100 * row.growth_share:.0f} % of them in {doing([row], 'growing')}"
    return (
        f"{row.policy} ends with {row.size()} parameters, after {human(row.training_flops)} training FLOPs and "
        f"{row.seconds:.1f} seconds{share}."
    )


def _named(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
