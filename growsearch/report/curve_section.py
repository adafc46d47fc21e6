"""Learning curves on the page: one chart with switches, and the policies to show as its legend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from growsearch.comparison.table import TableRow
from growsearch.comparison.wording import ONE_SEED
from growsearch.report.curves import AXES, shown
from growsearch.report.markup import chart, controls
from growsearch.report.style import style_of

_ALL = 8  # policies that are all shown at first
_FIRST = 5  # of more, so many of the best
_SEVERAL = (
    "Mean over the seeds, at the steps that all of them logged; the band is one standard deviation, within what the "
    "seeds reached."
)
_NOTE = "Upright ticks on a line are growth events of the median seed. Drag to zoom, double-click to see all."


def curve_section(policies: Mapping[str, dict[str, Any]], rows: Sequence[TableRow]) -> str:
    """The switches, the legend and the place of the chart; empty where nothing was logged."""
    metrics = shown(key for one in policies.values() for key in one["metrics"])
    axes = {key: words for key, words in AXES.items() if any(key in one["x"] for one in policies.values())}
    if not metrics or not axes:
        return ""
    over = _SEVERAL if any(row.seeds > 1 for row in rows) else f"{ONE_SEED.capitalize()}."
    return (
        f'<div class="controls">{controls("metric", "Show", metrics)}{controls("axis", "against", axes)}</div>\n'
        f"{_legend(rows)}\n{chart('curves', 'Learning curves of the policies', f'{over} {_NOTE}')}"
    )


def _legend(rows: Sequence[TableRow]) -> str:
    """A box to tick for each policy, with its line; few of many are ticked at first."""
    shown = shown_at_first(rows)
    boxes = "".join(
        f'<label><input type="checkbox" name="shown" value="{escape(row.policy)}"'
        f"{' checked' if row.policy in shown else ''}> {style_of(rank).swatch()}{escape(row.policy)}</label>"
        for rank, row in enumerate(rows)
        if row.seeds
    )
    buttons = "".join(
        f'<button type="button" data-shown="{which}">{which}</button>' for which in ("all", "none") if len(rows) > 2
    )
    return f'<fieldset class="legend"><legend>Policies</legend>{boxes}{buttons}</fieldset>'


def shown_at_first(rows: Sequence[TableRow]) -> set[str]:
    """All policies where they are few; else the best, the reference, and those that do not grow."""
    done = [row for row in rows if row.seeds]
    if len(done) <= _ALL:
        return {row.policy for row in done}
    fixed = {row.policy for row in done if row.growth_share == 0}
    return {row.policy for row in done[:_FIRST]} | fixed | {done[0].reference or ""}
