"""An audit on the terminal, as tables."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from rich.table import Table

from growsearch.audit.sentence import count_words, signed

if TYPE_CHECKING:
    from growsearch.audit import Audit, Branch, Summary
    from growsearch.comparison.pairs import Pair


def audit_table(found: Audit) -> Table:
    """A row for each branch: what it ended with, and the difference from the event as it was."""
    from growsearch.audit.verdict import METRICS
    from growsearch.comparison.table import human

    metric = METRICS[found.metric]
    accuracy = any(one.metric == "validation_accuracy" for one in found.comparisons)
    most = max(len(one.seeds) for one in found.branches)
    columns = [
        "branch",
        "parameters",
        "FLOPs",
        metric.words,
        "with − branch",
        "95 % interval",
        "p (Holm)",
        "same FLOPs",
    ]
    table = Table(*columns, *(["accuracy"] if accuracy else []), "at once", "promised")
    for one in found.branches:
        final = f"{_mean([rows[-1][found.metric] for rows in one.rows]):.4f}" if one.rows else "failed"
        name = one.name if len(one.seeds) == most else f"{one.name} ({len(one.seeds)} of {most} seeds)"
        cells = [name, human(_mean(one.parameters)), human(_mean(one.training_flops)), final]
        cells += _difference(_pair(found, found.metric, "steps", one))
        cells.append(_only_mean(_pair(found, found.metric, "flops", one)))
        cells += [_points(_pair(found, "validation_accuracy", "steps", one))] if accuracy else []
        table.add_row(*cells, *_effects(one))
    table.caption = (
        f"Means of {count_words(most, 'seed')} after {count_words(found.steps, 'step')}. Same FLOPs, accuracy: with − "
        "branch. At once: change of the loss by the growth itself, in brackets what was predicted. Promised: change of "
        "the loss by the first gradient step of the new weights."
    )
    table.caption_justify = "left"
    return table


def _pair(found: Audit, metric: str, at: str, branch: Branch) -> Pair | None:
    return next((pair for pair in found.compared(metric, at).pairs if pair.against == branch.name), None)


def _difference(pair: Pair | None) -> list[str]:
    """Mean with its error, interval, and p-value with what it calls."""
    from growsearch.comparison.metric import show_p

    if pair is None:
        return ["", "", ""]
    error = "" if pair.standard_error is None else f" ± {pair.standard_error:.2g}"
    interval = "" if pair.interval is None else f"{signed(pair.interval[0])} to {signed(pair.interval[1])}"
    p_value = show_p(pair.p_value if pair.adjusted_p_value is None else pair.adjusted_p_value).removeprefix("p = ")
    return [f"{signed(pair.mean_difference)}{error}", interval, f"{p_value} {pair.call or ''}".strip()]


def _only_mean(pair: Pair | None) -> str:
    return "" if pair is None else signed(pair.mean_difference)


def _points(pair: Pair | None) -> str:
    from growsearch.comparison.metric import VALIDATION

    return "" if pair is None else VALIDATION["validation_accuracy"].show_change(round(pair.mean_difference, 6) + 0.0)


def _effects(branch: Branch) -> list[str]:
    """Means of the measured change (the predicted one), and of what the new weights promised."""
    grown = [effect for effect in branch.effects if effect is not None]
    measured = _average([effect.measured_change for effect in grown])
    predicted = _average([effect.predicted_change for effect in grown])
    first = [effect.first_step.predicted for effect in grown if effect.first_step is not None]
    return [f"{measured} ({predicted or 'nothing'})" if grown else "", _average(first)]


def summary_table(found: Summary) -> Table:
    """A row for each event: what it did at once."""
    table = Table("event", "step", "units", "where", "how", "predicted", "measured", "on others", "promised", "kept")
    table.add_column("kept on others")
    for row in found.rows:
        effect, first = row.effect, row.effect.first_step
        units = sum(effect.sites.values()) - sum(effect.removed.values())
        cells = [effect.predicted_change, effect.measured_change, effect.fresh_change]
        cells += [None, None, None] if first is None else [first.predicted, first.measured, first.fresh]
        shown = ["" if value is None else signed(value) for value in cells]
        table.add_row(str(row.event), str(row.step), f"{units:+d}", row.where, row.how, *shown)
    table.caption = (
        "changes of the loss: by the growth itself, predicted and measured on the batch that it looked at, and on "
        "other training batches; then what the gradient of the new weights promised for their first step, and kept"
    )
    table.caption_justify = "left"
    return table


def calibration_table(found: Summary) -> Table:
    """How well predictions agreed with what was measured."""
    columns = ("prediction", "measured on", "events", "correlation", "rank correlation", "sign right", "slope")
    table = Table(*columns, "95 % interval", "median ratio")
    for one in found.calibrations:
        interval = "" if one.interval is None else " to ".join(map(_number, one.interval))
        numbers = [one.correlation, one.rank_correlation]
        sign = "" if one.sign_agreement is None else f"{100 * one.sign_agreement:.0f} %"
        table.add_row(
            *(one.prediction, one.data, str(one.events)),
            *map(_number, numbers),
            sign,
            _number(one.slope),
            interval,
            _number(one.median_ratio),
        )
    return table


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}".replace("-", "−")


def _average(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return signed(fmean(known)) if known else ""


def _mean(values: Sequence[float]) -> float:
    return fmean(values) if values else 0.0
