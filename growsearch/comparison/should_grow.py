"""Should I grow? The answer of the fixed sizes in plain sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import get_args

from growsearch.comparison.advice import Advice
from growsearch.comparison.envelope import Answer, Envelope, FixedSize
from growsearch.comparison.metric import Metric
from growsearch.comparison.wording import listed
from growsearch.number_format import counted, plural
from growsearch.statistics import ENOUGH_SEEDS

_ORDER: tuple[Answer, ...] = get_args(Answer)


@dataclass(frozen=True)
class ShouldGrow:
    """The answer for the growing policy that does best, one sentence, and a few on every policy that grows."""

    answer: Answer
    policy: str
    headline: str
    sentences: tuple[str, ...]


def should_grow(metric: Metric, envelopes: Sequence[Envelope]) -> ShouldGrow | None:
    """Return the answer; None where no policy has its fixed sizes beside it."""
    if not envelopes:
        return None
    sign = 1 if metric.higher_is_better else -1

    def rank(one: Envelope) -> tuple[int, float]:
        best = one.best_size
        return _ORDER.index(one.answer), -sign * best.difference if best else 0.0

    first, *others = sorted(envelopes, key=rank)
    chosen = (
        f" It is the first of {len(envelopes)} policies that grow, and so looks a little better than it is."
        if others and first.answer in ("outright", "final size")
        else ""
    )
    sentences = tuple(_sentence(metric, one) for one in (first, *others))
    headline = f"Should I grow? {_short(metric, first, len(envelopes))}{chosen}"
    return ShouldGrow(first.answer, first.policy, headline, sentences)


def with_answer(advice: Advice, found: ShouldGrow | None, warning: str | None = None) -> Advice:
    """Return the advice with the answer, where there is one, before everything else, and a warning behind it."""
    last = () if warning is None else (warning,)
    if found is None:
        return replace(advice, reasons=(*advice.reasons, *last))
    others = (f"Among the policies of the file: {advice.headline}", *advice.reasons) if advice.reasons else ()
    return replace(advice, headline=found.headline, reasons=(*found.sentences, *others, *last))


def _short(metric: Metric, one: Envelope, policies: int) -> str:
    side = _side(metric)
    if one.answer == "outright":
        return f"Yes, outright: {one.policy} ends {side} every fixed size with as many training FLOPs."
    if one.answer == "final size":
        return (
            f"Yes where the final size is prescribed, no where it is free: {one.policy} ends {side} the network of its "
            "final size, but not every other fixed size, with as many training FLOPs."
        )
    if one.answer == "no":
        subject = f"{one.policy} is not" if policies == 1 else "no policy is"
        return f"No: {subject} shown to end {side} the network of its final size with as many training FLOPs."
    return f"Not known: {_unknown(one)}."


def _unknown(one: Envelope) -> str:
    final = one.final
    if one.lacking:
        return f"no run of {listed(one.lacking)} has finished"
    if len(one.seeds) >= ENOUGH_SEEDS and final is not None and one.parameters:
        return (
            f"{one.policy} is not better than every fixed size, and ended with {counted(one.parameters)} parameters "
            f"where the network of its final size, {final.words}, has {counted(final.parameters)}"
        )
    return f"it takes {ENOUGH_SEEDS} seeds or more, and {one.policy} and its fixed sizes share {len(one.seeds)}"


def _sentence(metric: Metric, one: Envelope) -> str:
    """What a policy came to beside its fixed sizes; with too few seeds only that."""
    final, best = one.final, one.best_size
    if one.lacking or len(one.seeds) < ENOUGH_SEEDS or one.mean is None or best is None:
        return f"{one.policy} beside fixed sizes: not known, because {_unknown(one)}."
    start = f"{one.policy} ends at {metric.show(one.mean)} {metric.words} (mean of {plural(len(one.seeds), 'seed')})"
    beside = [] if final is None else [f"the network of its final size, {final.words}, at {_beside(metric, final)}"]
    if best is not final:
        beside.append(f"the best fixed size, {best.words}, at {_beside(metric, best)}")
    parts = [f"{start}; {' and '.join(beside)}, all with as many training FLOPs.", _saved(one), _on_the_way(one)]
    if final is not None and one.elsewhere and one.answer != "unknown":
        parts.append(
            f"Beware: it ends with {counted(one.parameters or 0)} parameters, and the network of its final size has "
            f"{counted(final.parameters)}."
        )
    return " ".join(part for part in parts if part)


def _beside(metric: Metric, size: FixedSize) -> str:
    """`2.31 (−0.04, 95 % interval −0.06 to −0.02: below)`: the policy minus this size."""
    change, interval = metric.show_change(size.difference), size.interval
    if interval is None:
        return f"{metric.show(size.mean)} ({change})"
    return (
        f"{metric.show(size.mean)} ({change}, 95 % interval {metric.show_interval(interval)}: {size.direction(metric)})"
    )


def _saved(one: Envelope) -> str:
    found, final = one.saving, one.final
    if found is None or final is None:
        return ""
    loss = f"the final {found.metric_words} of the network of its final size"
    if found.share is None:
        return f"It reaches {loss} in {found.reached} of {plural(found.seeds, 'run')}."
    ends = found.interval
    interval = f" (95 % interval {100 * ends[0]:.0f} to {100 * ends[1]:.0f} %)" if ends else ""
    return f"It first reaches {loss} at {100 * found.share:.0f} % of that one's FLOPs{interval}."


def _on_the_way(one: Envelope) -> str:
    found = one.anytime
    if found is None:
        return ""
    shown = Metric(found.metric, found.metric_words, found.higher_is_better, found.percent)
    sign = 1 if found.higher_is_better else -1
    behind = [-sign * difference for difference in found.difference]
    share = sum(each < 0 for each in behind) / len(behind)
    start = f"At the same FLOPs on the way its mean {found.metric_words} is"
    if max(behind) <= 0:
        return f"{start} never worse than the best fixed size's."
    size = shown.show_change(max(behind)).removeprefix("+")
    return f"{start} at most {size} worse than the best fixed size's, and better over {100 * share:.0f} % of the way."


def _side(metric: Metric) -> str:
    return "above" if metric.higher_is_better else "below"
