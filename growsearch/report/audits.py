"""What the audits of a folder's runs found: for the page, and as the tables that the terminal shows too."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from statistics import fmean

from growsearch.audit import Audit, Branch, Effect, Summary, read_audits, read_summaries
from growsearch.audit.sentence import signed
from growsearch.audit.verdict import METRICS
from growsearch.comparison.metric import VALIDATION
from growsearch.comparison.pairs import Pair
from growsearch.comparison.wording import ONE_SEED
from growsearch.number_format import counted, human, plural
from growsearch.report.markup import details, stacked_table, table
from growsearch.report.tables import Table

_ACCURACY = "validation_accuracy"


def audit_section(folder: Path) -> str:
    """Show every audited event, and the calibration of every summarised run; empty where nothing was audited."""
    parts = [
        f"<h3>{escape(f'{one.policy}, seed {one.seed}: all {one.events} events')}</h3>\n<p>{escape(one.sentence)}</p>\n"
        f"{stacked_table(calibration_table(one)) if one.calibrations else ''}"
        f"{details('Every event', table(events_table(one)))}"
        for one in read_summaries(folder)
    ]
    parts += [
        f"<h3>{escape(f'{one.policy}, seed {one.seed}: event {one.event}')}</h3>\n<p>{escape(one.sentence)}</p>\n"
        f"{stacked_table(audit_table(one))}"
        for one in read_audits(folder)
    ]
    return "\n".join(parts)


def audit_table(found: Audit) -> Table:
    """Show each way to go on from just before the event: what it ended with, and its difference from the event."""
    accuracy = any(one.metric == _ACCURACY for one in found.comparisons)
    titles = ["branch", "seeds", "parameters", "training FLOPs", METRICS[found.metric].words, "difference"]
    titles += ["95 % interval", "p, corrected", "difference at equal FLOPs"]
    titles += [*(["difference in accuracy"] if accuracy else []), "at once", "promised"]
    rows, several = [], any(len(branch.seeds) > 1 for branch in found.branches)
    for branch in found.branches:
        cells = [branch.name, str(len(branch.seeds)), *_end(branch, found.metric)]
        cells += _difference(_pair(found, found.metric, "steps", branch))
        equal = _pair(found, found.metric, "flops", branch)
        cells.append(signed(equal.mean_difference) if equal else "")
        if accuracy:
            pair = _pair(found, _ACCURACY, "steps", branch)
            cells.append(VALIDATION[_ACCURACY].show_change(round(pair.mean_difference, 6) + 0.0) if pair else "")
        rows.append((*cells, *_effects([effect for effect in branch.effects if effect is not None])))
    caption = (
        f"Event {found.event} of {found.policy}, seed {found.seed}: branches of {plural(found.steps, 'step')} from "
        f"just before it, {'means over the seeds' if several else ONE_SEED}. Differences are the event as it was minus "
        f"the branch, on the same seeds{' (± standard error)' if several else ''}; of a loss, less is better. At once: "
        "change of the loss by the growth itself, in brackets what was predicted. Promised: change of the loss by the "
        "first gradient step of the new weights."
    )
    name = f"audit-{found.policy}-{found.seed}-{found.event}"
    return Table(name, "Audit", caption, tuple(titles), tuple(rows))


def events_table(found: Summary) -> Table:
    """Show what each event did to the loss at once, and what was predicted."""
    rows = []
    for row in found.rows:
        effect, first = row.effect, row.effect.first_step
        numbers = [effect.predicted_change, effect.measured_change, effect.fresh_change]
        numbers += [first.predicted, first.measured, first.fresh] if first else [None, None, None]
        units = sum(effect.sites.values()) - sum(effect.removed.values())
        cells = ["" if number is None else signed(number) for number in numbers]
        rows.append((str(row.event), str(row.step), f"{units:+d}", row.where, row.how, *cells))
    caption = (
        "Changes of the loss: by the growth itself, predicted and measured on the batch that it looked at and on other "
        "batches; then what the gradient of the new weights promised for their first step, and what it kept."
    )
    titles = ("event", "step", "units", "where", "how", "predicted", "measured", "on others", "promised", "kept")
    name = f"events-{found.policy}-{found.seed}"
    return Table(name, "Events", caption, (*titles, "kept on others"), tuple(rows))


def calibration_table(found: Summary) -> Table:
    """Show how well predictions agreed with what was measured."""
    rows = tuple(
        (
            one.prediction,
            one.data,
            str(one.events),
            _number(one.correlation),
            _number(one.rank_correlation),
            "" if one.sign_agreement is None else f"{100 * one.sign_agreement:.0f} %",
            _number(one.slope),
            " to ".join(map(_number, one.interval)) if one.interval else "",
            _number(one.median_ratio),
        )
        for one in found.calibrations
    )
    caption = "Predicted and measured changes of the loss over all events: well calibrated are slope and ratio of 1."
    titles = ("prediction", "measured on", "events", "correlation", "rank correlation", "sign right", "slope")
    name = f"calibration-{found.policy}-{found.seed}"
    return Table(name, "Calibration", caption, (*titles, "95 % interval", "median ratio"), rows)


def _pair(found: Audit, metric: str, at: str, branch: Branch) -> Pair | None:
    return next((pair for pair in found.compared(metric, at).pairs if pair.against == branch.name), None)


def _end(branch: Branch, metric: str) -> tuple[str, str, str]:
    """Parameters, training FLOPs and the metric at the end."""
    if not branch.rows:
        return "", "", "failed"
    final = METRICS[metric].show(fmean(rows[-1][metric] for rows in branch.rows))
    return counted(fmean(branch.parameters)), human(fmean(branch.training_flops)), final


def _difference(pair: Pair | None) -> tuple[str, str, str]:
    """Mean with its error, interval, and p-value with the significant direction."""
    if pair is None:
        return "", "", ""
    error = "" if pair.standard_error is None else f" ± {pair.standard_error:.2g}"
    interval = " to ".join(map(signed, pair.interval)) if pair.interval else ""
    p_value = pair.p_value if pair.adjusted_p_value is None else pair.adjusted_p_value
    return (
        f"{signed(pair.mean_difference)}{error}",
        interval,
        "" if pair.alone else f"{p_value:.2g}{f', {pair.direction}' if pair.direction else ''}",
    )


def _effects(grown: Sequence[Effect]) -> tuple[str, str]:
    """Means of the measured change (the predicted one), and of what the new weights promised."""
    measured = _mean([effect.measured_change for effect in grown])
    predicted = _mean([effect.predicted_change for effect in grown])
    first = [effect.first_step.predicted for effect in grown if effect.first_step is not None]
    return f"{measured} ({predicted or 'nothing'})" if grown else "", _mean(first)


def _mean(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return signed(fmean(known)) if known else ""


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}".replace("-", "−")
