"""Which policy to use, in plain sentences: what a reader who has a minute needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from growsearch.comparison.benefit import Benefit
from growsearch.comparison.control_differences import ControlConclusions
from growsearch.comparison.metric import Metric, show_p
from growsearch.comparison.outcome import GrowthOutcome
from growsearch.comparison.pairs import Pair
from growsearch.comparison.sizes import SizeChoice, doing
from growsearch.comparison.table import TableRow
from growsearch.comparison.wording import NOTHING_TESTED, listed
from growsearch.number_format import human, plural
from growsearch.statistics import detectable_difference


@dataclass(frozen=True)
class Advice:
    """The answer in one sentence, the sentences that support it, and the policy that is advised, if any.

    `sizes` says what to take by the size of the final network; `undecided` that the seeds were too few for any answer.
    """

    headline: str
    reasons: tuple[str, ...]
    sizes: tuple[SizeChoice, ...] = ()
    policy: str | None = None
    undecided: bool = False


@dataclass(frozen=True)
class Evidence:
    """What advice rests on: `rows` are of the policies with a finished seed, the best first."""

    metric: Metric
    rows: tuple[TableRow, ...]
    reference: str
    seeds_needed: int | None
    growth: GrowthOutcome
    controls: ControlConclusions
    benefits: tuple[Benefit, ...]
    sizes: tuple[SizeChoice, ...]


def advise(found: Evidence) -> Advice:
    """Answer "which policy should I use", for at least two policies that have finished.

    Advised is what is significantly better than the reference; among several that are, the one with the best mean.
    Where nothing is, no policy is advised.
    """
    growth = found.growth
    if growth.not_grown and growth.sentence and not any(row.change for row in found.rows):
        return Advice("Nothing grew: this comparison says nothing about growing.", (growth.sentence,))
    better = [row for row in found.rows if row.pair is not None and row.pair.direction == "better"]
    grown = [(row, row.pair) for row in better if row.change and row.pair]
    advice = _use(found, grown) if grown else _nothing(found, better)
    said = (growth.sentence,) if growth.sentence else ()
    return replace(advice, reasons=(*said, *advice.reasons), sizes=found.sizes)


def _use(found: Evidence, grown: Sequence[tuple[TableRow, Pair]]) -> Advice:
    """At least one policy that grows is significantly better."""
    metric, (best, pair) = found.metric, grown[0]
    size = metric.show_change(pair.mean_difference).removeprefix("+").removeprefix("−")
    word = "higher" if metric.higher_is_better else "lower"
    interval = f"95 % interval {metric.show_interval(pair.interval)}, " if pair.interval else ""
    reasons = [
        f"{best.policy} reaches a {metric.words} of {metric.show(best.mean)}, {size} {word} than {found.reference} on "
        f"the same {plural(pair.seeds, 'seed')} ({interval}{show_p(pair.adjusted_p_value or 0.0)})."
    ]
    if len(grown) > 1:
        cheap = min((row for row, _ in grown), key=lambda row: row.training_flops)
        least = f" Of all these, {cheap.policy} takes the fewest training FLOPs." if cheap is not best else ""
        reasons.append(
            f"Also better than {found.reference}: {_means(metric, [row for row, _ in grown[1:]])}. Which of these is "
            f"best is not tested, and the first of several looks a little better than it is.{least}"
        )
    ahead = [row for row in found.rows if row.change and row.pair and not row.pair.direction]
    ahead = [row for row in ahead if metric.better(row.mean, best.mean)]
    if ahead:
        verb = "has a better mean, but is" if len(ahead) == 1 else "have better means, but are"
        uneven = f"not told apart from {found.reference}: too uneven over the seeds."
        reasons.append(f"{_means(metric, ahead)} {verb} {uneven}")
    others = [row for row in found.rows if not row.change and metric.better(row.mean, best.mean)]
    headline = f"Of the policies that {doing(found.rows)}, use {best.policy}." if others else f"Use {best.policy}."
    own = zip(found.controls.pairs, found.controls.sentences, strict=True)
    controls = [sentence for pair, sentence in own if pair.policy == best.policy]
    reasons += controls or [one.text() for one in found.benefits]
    return Advice(headline, (*reasons, _cost(best)), policy=best.policy)


def _nothing(found: Evidence, better: Sequence[TableRow]) -> Advice:
    """No policy that grows is significantly better than the reference; `better` are fixed networks that are."""
    metric, first, reference = found.metric, found.rows[0], found.reference
    tested = [row.pair for row in found.rows if row.pair]
    most = max((pair.seeds for pair in tested), default=0)
    fixed = "" if first.change else ", a fixed network,"
    start = f"{first.policy}{fixed} has the best mean {metric.words}, {metric.show(first.mean)}"
    answers = tuple(one.text() for one in found.benefits)
    if found.seeds_needed is None or most < found.seeds_needed:
        needed = "" if found.seeds_needed is None else f"; it takes at least {found.seeds_needed}"
        few = f", but {plural(most, 'seed')} cannot tell a difference from chance, however large"
        why = f"{start}{f'. {NOTHING_TESTED}' if most == 1 else few}{needed}."
        return Advice("Too few seeds to say which policy to use.", (why, *answers), undecided=True)
    headline, growing = "No policy stands out.", doing(found.rows, "growing")
    if found.benefits and all(one.answer == "no" for one in found.benefits):
        headline = f"{growing.capitalize()} was not worth it here: take a fixed network of the size you need."
    if better:
        why = f"Only fixed networks are significantly better than {reference}: {_means(metric, better)}."
        return Advice(headline if found.benefits else f"No way of {growing} stands out.", (why, *answers))
    why = (
        f"{start}, but over {plural(most, 'seed')} no policy is significantly better than {reference}, the reference "
        f"(p corrected for {plural(len(tested), 'comparison')}, as the intervals by size are not). That does not show "
        f"that they are equal: {_missed(metric, tested)}."
    )
    worse = [row for row in found.rows if row.pair and row.pair.direction == "worse"]
    said = (f"Significantly worse than {reference}: {_means(metric, worse)}.",) if worse else ()
    return Advice(headline, (why, *said, *answers))


def _missed(metric: Metric, tested: Sequence[Pair]) -> str:
    """Up to what size true differences are easily missed."""
    sizes = [
        detectable_difference(pair.standard_error, pair.seeds, len(tested))
        for pair in tested
        if pair.standard_error is not None
    ]
    most = metric.show_change(max(sizes)).removeprefix("+")
    return f"so many seeds miss true differences of up to {most} more than one time out of five"


def _cost(row: TableRow) -> str:
    """What a policy costs."""
    share = ""
    if row.growth_share >= 0.005:
        share = f", {100 * row.growth_share:.0f} % of them in {doing([row], 'growing')}"
    return (
        f"{row.policy} ends with {row.size()} parameters, after {human(row.training_flops)} training FLOPs and "
        f"{row.seconds:.1f} seconds{share}."
    )


def _means(metric: Metric, rows: Sequence[TableRow]) -> str:
    """`a (90.10 %) and b (84.00 %)`."""
    return listed([f"{row.policy} ({metric.show(row.mean)})" for row in rows])
