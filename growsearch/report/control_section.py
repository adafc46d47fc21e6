"""Growing policies beside their controls: what growth itself was worth."""

from __future__ import annotations

from html import escape
from typing import Any

from growsearch.comparison.controls import RETRAINED, SMALL_COMPUTE
from growsearch.comparison.found_controls import BIG, CONTROLS, RANDOM, SMALL
from growsearch.comparison.metric import Metric
from growsearch.comparison.table import TableRow, control_rows, human
from growsearch.report.beside import Beside, besides
from growsearch.report.differences import difference_cells, interval_words
from growsearch.report.markup import details, note, table
from growsearch.report.results_table import ranked
from growsearch.report.tables import Table

_LISTED = 8  # sentences that are all shown at first
_KINDS = (SMALL, SMALL_COMPUTE, BIG, RANDOM, RETRAINED)
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
    beside = beside_table(metric, results)
    compared = f'<div class="words">{table(beside)}</div>' if beside.rows else ""
    return f"{compared}{listed}{table(shown) if shown.rows else ''}{note(lacking) if lacking else ''}"


def beside_table(metric: Metric, results: dict[str, Any]) -> Table:
    """A row for each growing policy, a column for each kind of control: how they differ, and at what FLOPs."""
    found = besides(results)
    kinds = [kind for kind in _KINDS if any(kind in own for own in found.values())]
    order = [row.policy for row in ranked(results) if row.policy in found]
    rows = tuple((name, *(_beside(metric, name, found[name], kind) for kind in kinds)) for name in order)
    unit = "points of " if metric.percent else ""
    caption = (
        f"Each growing policy minus each of its controls on the same seeds, in {unit}{metric.words}, with the 95 % "
        "interval of this difference alone (from six seeds on), the control's name, and the policy's training FLOPs as "
        "a multiple of the control's. For orientation: these differences are not corrected for their number."
    )
    return Table(
        "beside",
        "Growing policies beside their controls",
        caption,
        ("policy", *(f"minus {CONTROLS[kind]}" for kind in kinds)),
        rows,
    )


def _beside(metric: Metric, policy: str, own: dict[str, Beside | None], kind: str) -> str:
    if kind not in own:
        return "–"
    one = own[kind]
    if one is None:
        return "not in this comparison"
    if one.control == policy:
        return "is this control"
    if one.difference is None:
        return f"no seed in common with {one.control}"
    interval = f" ({interval_words(metric, one.interval)})" if one.interval else ""
    return f"{metric.show_change(one.difference, unit=False)}{interval} · {one.control}, {one.flops:.2g} × FLOPs"


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
