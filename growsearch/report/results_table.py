"""The main table: every policy, the best mean first."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from growsearch.comparison import ComparisonResults, TableRow
from growsearch.comparison.metric import Metric
from growsearch.comparison.table import table_header
from growsearch.comparison.wording import ONE_SEED
from growsearch.number_format import plural
from growsearch.report.markup import stacked, table
from growsearch.report.style import style_of
from growsearch.report.tables import Table

_STRIP = (144, 22)  # width and height of a strip of dots


def results_table(results: ComparisonResults) -> Table:
    """Show quality, size and cost of every policy."""
    rows = results.rows()
    return Table("results", "Results", _caption(rows), table_header(rows), tuple(row.cells() for row in rows))


def results_html(results: ComparisonResults) -> str:
    """Show the same on the page: with the line of each policy in the charts, a dot for every seed, one row marked."""
    metric, rows = results.conclusions.ranked_by, results.rows()
    values = [value for policy in results.policies.values() for value in policy[metric.key]]
    shown = []
    for rank, row in enumerate(rows):
        name, mean, *others = (escape(cell) for cell in row.cells())
        if row.pair is not None and row.pair.direction:
            others[0] = f'<span class="{row.pair.direction}">{others[0]}, {row.pair.direction}</span>'
        strip = _strip(results.policies[row.policy][metric.key], values, row, metric, style_of(rank).hue)
        best = row.policy == results.conclusions.advice.policy
        shown.append((f"{style_of(rank).swatch()}{name}", (mean, strip, *others), best))
    policy_title, metric_title, *titles = table_header(rows)
    return stacked(_caption(rows), (policy_title, metric_title, _scale(values, metric), *titles), shown)


def notebook_html(results: ComparisonResults) -> str:
    """Show the headline of the verdict above the table, without the styles and scripts of a page."""
    headline = f"<p><b>{escape(results.conclusions.advice.headline)}</b></p>"
    return headline + table(results_table(results), results.conclusions.advice.policy)


def _caption(rows: Sequence[TableRow]) -> str:
    metric = rows[0].metric
    several, alone = any(row.seeds > 1 for row in rows), any(row.seeds == 1 for row in rows)
    text = f"Means over the seeds, {'the best first' if len(rows) > 1 else 'of one policy'}. "
    if alone and not several:
        text = f"{ONE_SEED.capitalize()}. {'The best is first. ' if len(rows) > 1 else ''}"
    text += f"The {metric.words} is from the test set, which was read once, after training. "
    if rows[0].reference is not None:
        unit = " in points" if metric.percent else ""
        tested = ", with p corrected for all these comparisons" if several else ", not tested"
        text += (
            f"Against {rows[0].reference}: mean difference on the same seeds{unit}{tested}; means are rounded after "
            "they are compared. "
        )
    if several and alone:
        text += f"A policy without a spread has {ONE_SEED}. "
    if any(row.active != row.parameters for row in rows):
        text += "Active are the parameters that no mask holds at zero. "
    return text + "Growth: share of the seconds spent in steps that grow or prune."


def _scale(values: list[float], metric: Metric) -> str:
    """The title of the strips: which values their ends are."""
    if not values:
        return "each seed"
    low, high = (metric.show(end).replace(" ", "\N{NO-BREAK SPACE}") for end in (min(values), max(values)))
    return f"each seed, {low} to {high}"


def _strip(seeds: list[float], values: list[float], row: TableRow, metric: Metric, hue: int) -> str:
    """Dots on a line that all rows share; a tick at the mean."""
    if not seeds:
        return ""
    width, height = _STRIP
    low, high = min(values), max(values)

    def position(value: float) -> float:
        return 6 + (width - 12) * ((value - low) / (high - low) if high > low else 0.5)

    dots = "".join(f'<circle cx="{position(value):.1f}" cy="{height / 2}" r="4"/>' for value in seeds)
    label = f"{plural(len(seeds), 'seed')} from {metric.show(min(seeds))} to {metric.show(max(seeds))}"
    mean = position(row.mean)
    return (
        f'<svg class="strip" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}" '
        f'style="color:var(--c{hue})"><title>{escape(label)}</title>'
        f'<line x1="0" x2="{width}" y1="{height / 2}" y2="{height / 2}"/>{dots}'
        f'<line class="mean" x1="{mean:.1f}" x2="{mean:.1f}" y1="1" y2="{height - 1}"/></svg>'
    )
