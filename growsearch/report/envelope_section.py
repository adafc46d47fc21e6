"""Should I grow? A growing policy beside fixed sizes: the curves over training FLOPs, and what runs ended with."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from growsearch.comparison import Conclusions
from growsearch.comparison.envelope import Envelope, FixedSize
from growsearch.comparison.metric import Metric
from growsearch.number_format import counted, decimal
from growsearch.report.curves import rounded
from growsearch.report.markup import chart, menu, note, stacked_table
from growsearch.report.style import style_of
from growsearch.report.tables import Table

_NOTE = (
    "Means over the seeds that all of these runs finished, on validation data. The thick broken line is the best of "
    "the fixed sizes at each moment; shaded is how far the growing policy is from it. Read the ends: there all runs "
    "have finished their learning-rate schedules, at equal FLOPs, and the answer rests on these alone, on test data. "
    "A point further left is the middle of a longer run, whose rate may not have decayed yet: a run with just that "
    "budget might have ended better. Double-click to see the beginning."
)


_NO_CURVES = (
    "No curves over FLOPs: these runs were not evaluated on validation data on the way. Evaluate them more often with "
    "training.rows, such as 50."
)


def envelope_section(found: Conclusions) -> str:
    """The answer, the chart and the tables; empty where the file asked for none of it."""
    tuned = tuning_table(found)
    warning = found.tuning.warning if found.tuning else None
    rates = (stacked_table(tuned) if tuned.rows else "") + (note(warning) if warning else "")
    if found.should_grow is None:
        return rates
    drawn = [one for one in found.envelopes if one.anytime]
    names = [one.policy for one in drawn]
    choice = menu("envelope-policy", "Growing policy", names, found.should_grow.policy) if len(names) > 1 else ""
    picture = (
        chart("envelope-curves", "A growing policy and fixed sizes over training FLOPs", _NOTE)
        if drawn
        else note(_NO_CURVES)
    )
    return f"{choice}{picture}{stacked_table(envelope_table(found))}{rates}"


def envelope_content(found: Conclusions) -> list[dict[str, Any]]:
    """What the chart's script draws, for every growing policy, the one that the answer is of first."""
    chosen = found.should_grow.policy if found.should_grow else ""
    ordered = sorted(found.envelopes, key=lambda one: one.policy != chosen)
    return [_content(one) for one in ordered if one.anytime]


def _content(one: Envelope) -> dict[str, Any]:
    assert one.anytime is not None
    curves = asdict(one.anytime)
    lines = {key: list(map(rounded, curves[key])) for key in ("flops", "policy", "envelope", "difference")}
    sizes = [
        {
            "name": _size_words(size),
            "style": style_of(rank + 1).plain(),
            "values": list(map(rounded, one.anytime.sizes[size.control])),
        }
        for rank, size in enumerate(one.sizes)
    ]
    shown = {key: curves[key] for key in ("metric_words", "higher_is_better", "percent")}
    return {"name": one.policy, "style": style_of(0).plain(), "sizes": sizes, **lines, **shown}


def envelope_table(found: Conclusions) -> Table:
    """Show every growing policy beside each of its fixed sizes."""
    metric = found.ranked_by
    rows = tuple(_row(metric, one, size) for one in found.envelopes for size in one.sizes)
    unit = "points of " if metric.percent else ""
    caption = (
        f"Growing policies and fixed sizes, each trained for as many FLOPs as the policy's run of the same seed. The "
        f"difference is the policy minus the fixed size, in {unit}{metric.words}, on the same seeds, with the 95 % "
        "interval of this difference alone (from six seeds on). Growing pays outright where all of these intervals are "
        "on the better side."
    )
    titles = ("policy", "fixed size", "parameters", metric.words, "policy", "difference", "95 % interval", "policy is")
    return Table("envelope", "Growing beside fixed sizes", caption, titles, rows)


def _row(metric: Metric, one: Envelope, size: FixedSize) -> tuple[str, ...]:
    interval = metric.show_interval(size.interval) if size.interval else ""
    shown = [metric.show(size.mean), metric.show(one.mean or 0.0), metric.show_change(size.difference), interval]
    return (one.policy, _size_words(size), counted(size.parameters), *shown, size.direction(metric))


def _size_words(size: FixedSize) -> str:
    return f"{size.words} (final)" if size.place == "final" else size.words


def tuning_table(found: Conclusions) -> Table:
    """Show which learning rate each policy and control was given, and the loss at every one that was tried."""
    tuned = found.tuning
    if tuned is None:
        return Table("learning-rates", "Learning rates", "", (), ())
    seeds = ", ".join(map(str, tuned.pilot_seeds))
    caption = (
        f"The validation loss of pilot runs with multiples of the file's learning rate (seed {seeds}, not compared), "
        "and the rate of the lowest, which the compared runs have. Empty: training diverged, or growing failed."
    )
    rows = tuple(
        (
            name,
            *("" if loss is None else decimal(loss) for loss in one.losses),
            "" if one.learning_rate is None else f"{one.learning_rate:.4g}" + (f" ({one.edge})" if one.edge else ""),
        )
        for name, one in tuned.arms.items()
    )
    titles = ("policy or control", *(f"× {rate:g}" for rate in tuned.learning_rates), "learning rate")
    return Table("learning-rates", "Learning rates", caption, titles, rows)
