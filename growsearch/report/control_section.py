"""Growing policies beside their controls: what growth itself was worth."""

from __future__ import annotations

from html import escape
from typing import Any

from growsearch.comparison.metric import Metric
from growsearch.comparison.table import TableRow, control_rows, human
from growsearch.report.differences import difference_cells
from growsearch.report.markup import details, note, table
from growsearch.report.tables import Table

_LISTED = 8  # sentences that are all shown at first
_TITLES = ("control of", "mean difference", "95 % interval", "p", "p, corrected", "policy better on", "called")


def control_section(metric: Metric, results: dict[str, Any]) -> str:
    """The sentences, the table, and which controls lack; empty where nothing is compared."""
    found = results["verdict"].get("controls") or {}
    shown = controls_table(metric, results)
    lacking = found.get("lacking_sentence") if len(results["policies"]) > 1 else None
    sentences = "".join(f"<li>{escape(sentence)}</li>" for sentence in found.get("sentences", []))
    listed = f"<ul>{sentences}</ul>\n" if sentences else ""
    if len(shown.rows) > _LISTED:
        listed = details("In words", listed)
    return f"{listed}{table(shown) if shown.rows else ''}{note(lacking) if lacking else ''}"


def controls_table(metric: Metric, results: dict[str, Any]) -> Table:
    """A row for each control: what it reached at what cost, and how its policy differs from it."""
    rows = control_rows(results) if results.get("controls") else []
    pairs = {pair["against"]: pair for pair in (results["verdict"].get("controls") or {}).get("pairs", [])}
    cells = tuple(_row(metric, row, results["controls"][row.policy]["of"], pairs.get(row.policy)) for row in rows)
    caption = (
        "Each growing policy minus its control, on the same seeds. p is corrected for all comparisons with controls "
        "by Holm's method, apart from those with the reference. Called is the policy, better or worse than its control."
    )
    score = f"{metric.words} (mean ± std)"
    titles = ("control", score, "parameters", "training FLOPs", *_TITLES)
    return Table("controls", "Controls", caption, titles, cells)


def _row(metric: Metric, row: TableRow, policy: str, pair: dict[str, Any] | None) -> tuple[str, ...]:
    name, score, *_ = row.cells()
    cost = (row.size(), human(row.training_flops)) if row.seeds else ("", "")
    compared = (*difference_cells(metric, pair), pair["call"] or "not told apart") if pair else ("",) * 6
    return (name, score, *cost, policy, *compared)
