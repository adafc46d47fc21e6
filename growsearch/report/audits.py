"""What the audits of a folder's runs found, where there are any."""

from __future__ import annotations

from html import escape
from pathlib import Path
from statistics import fmean

from growsearch.audit import Audit, Branch, Summary, read_audits, read_summaries
from growsearch.audit.sentence import signed
from growsearch.audit.verdict import METRICS
from growsearch.comparison.pairs import Pair
from growsearch.comparison.table import human
from growsearch.report.markup import details, plural, table
from growsearch.report.tables import Table


def audit_section(folder: Path) -> str:
    """Every audited event, and the calibration of every summarised run; empty where nothing was audited."""
    parts = [
        f"<h3>{escape(f'{one.policy}, seed {one.seed}: all {one.events} events')}</h3>\n<p>{escape(one.sentence)}</p>\n"
        f"{table(calibration_table(one)) if one.calibrations else ''}"
        f"{details('Every event', table(events_table(one)))}"
        for one in read_summaries(folder)
    ]
    parts += [
        f"<h3>{escape(f'{one.policy}, seed {one.seed}: event {one.event}')}</h3>\n<p>{escape(one.sentence)}</p>\n"
        f"{table(audit_table(one))}"
        for one in read_audits(folder)
    ]
    return "\n".join(parts)


def audit_table(found: Audit) -> Table:
    """A row for each way to go on from just before the event."""
    metric = METRICS[found.metric]
    rows = []
    for branch in found.branches:
        pair = _pair(found, "steps", branch)
        final = f"{fmean(rows[-1][found.metric] for rows in branch.rows):.4g}" if branch.rows else "failed"
        interval = " to ".join(map(signed, pair.interval)) if pair and pair.interval else ""
        equal = _pair(found, "flops", branch)
        rows.append(
            (
                branch.name,
                str(len(branch.seeds)),
                human(fmean(branch.parameters)) if branch.parameters else "",
                final,
                signed(pair.mean_difference) if pair else "",
                interval,
                _p_value(pair),
                signed(equal.mean_difference) if equal else "",
            )
        )
    caption = (
        f"Event {found.event} of {found.policy}, seed {found.seed}: branches of {plural(found.steps, 'step')} from "
        "just before it. Differences are the event as it was minus the branch, on the same seeds; of a loss, less is "
        "better."
    )
    titles = ("branch", "seeds", "parameters", metric.words, "difference", "95 % interval", "p, corrected")
    name = f"audit-{found.policy}-{found.seed}-{found.event}"
    return Table(name, "Audit", caption, (*titles, "difference at equal FLOPs"), tuple(rows))


def events_table(found: Summary) -> Table:
    """A row for each event: what it did to the loss at once, and what was predicted."""
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
    """How well predictions agreed with what was measured."""
    rows = tuple(
        (
            one.prediction,
            one.data,
            str(one.events),
            _number(one.correlation),
            "" if one.sign_agreement is None else f"{100 * one.sign_agreement:.0f} %",
            _number(one.slope),
            " to ".join(map(_number, one.interval)) if one.interval else "",
            _number(one.median_ratio),
        )
        for one in found.calibrations
    )
    caption = "Predicted and measured changes of the loss over all events: well calibrated are slope and ratio of 1."
    titles = ("prediction", "measured on", "events", "correlation", "sign right", "slope", "95 % interval")
    name = f"calibration-{found.policy}-{found.seed}"
    return Table(name, "Calibration", caption, (*titles, "median ratio"), rows)


def _pair(found: Audit, at: str, branch: Branch) -> Pair | None:
    return next((pair for pair in found.compared(found.metric, at).pairs if pair.against == branch.name), None)


def _p_value(pair: Pair | None) -> str:
    if pair is None:
        return ""
    p_value = pair.p_value if pair.adjusted_p_value is None else pair.adjusted_p_value
    return f"{p_value:.2g}{f', {pair.call}' if pair.call else ''}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}".replace("-", "−")
