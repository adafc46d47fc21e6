"""Growing policies beside their controls: what growth itself was worth."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from growsearch.comparison import ComparisonResults, Conclusions, TableRow
from growsearch.comparison.control_differences import ControlDifference
from growsearch.comparison.controls import RETRAINED, SMALL_COMPUTE
from growsearch.comparison.found_controls import BIG, CONTROLS, RANDOM, SMALL
from growsearch.comparison.metric import Metric
from growsearch.comparison.pairs import Pair
from growsearch.comparison.table import score_title
from growsearch.comparison.wording import NOTHING_TESTED
from growsearch.number_format import human
from growsearch.report.differences import difference_cells, verdict_word
from growsearch.report.markup import details, note, stacked_table
from growsearch.report.tables import Table

_LISTED = 8  # sentences that are all shown at first
_KINDS = (SMALL, SMALL_COMPUTE, BIG, RANDOM, RETRAINED)
_TITLES = ("control of", "mean difference", "95 % interval", "p", "p, corrected", "policy better on", "verdict")


def control_section(results: ComparisonResults) -> str:
    """Show the sentences, the tables, and which controls lack; empty where nothing is compared."""
    found = results.conclusions.controls
    sentences = "".join(f"<li>{escape(sentence)}</li>" for sentence in found.sentences)
    words = f"<ul>{sentences}</ul>\n" if sentences else ""
    if len(found.sentences) > _LISTED:
        words = details("In words", words)
    every, asked = control_differences_table(results), controls_table(results)
    compared = f'<div class="words">{stacked_table(every)}</div>' if every.rows else ""
    lacking = note(found.lacking_sentence) if found.lacking_sentence else ""
    return f"{compared}{words}{stacked_table(asked) if asked.rows else ''}{lacking}"


def control_differences_table(results: ComparisonResults) -> Table:
    """Show each growing policy in a row, each kind of control in a column: how they differ, and at what FLOPs."""
    metric, found = results.conclusions.ranked_by, results.conclusions.controls.differences
    kinds = [kind for kind in _KINDS if any(kind in own for own in found.values())]
    order = [row.policy for row in results.rows() if row.policy in found]
    rows = tuple((name, *(_difference(metric, name, found[name], kind) for kind in kinds)) for name in order)
    unit = "points of " if metric.percent else ""
    caption = (
        f"Each growing policy minus each of its controls on the same seeds, in {unit}{metric.words}, with the 95 % "
        "interval of this difference alone (from six seeds on), the control's name, and the policy's training FLOPs as "
        "a multiple of the control's. For orientation: these differences are not corrected for their number."
    )
    titles = ("policy", *(f"minus {CONTROLS[kind]}" for kind in kinds))
    return Table("control-differences", "Growing policies beside their controls", caption, titles, rows)


def _difference(metric: Metric, policy: str, own: Mapping[str, ControlDifference | None], kind: str) -> str:
    if kind not in own:
        return "–"
    one = own[kind]
    if one is None:
        return "not in this comparison"
    if one.control == policy:
        return "is this control"
    if one.difference is None:
        return f"no seed in common with {one.control}"
    interval = f" ({metric.show_interval(one.interval)})" if one.interval else ""
    return f"{metric.show_change(one.difference, unit=False)}{interval} · {one.control}, {one.flops:.2g} × FLOPs"


def controls_table(results: ComparisonResults) -> Table:
    """Show each control that the file asked for: what it reached at what cost, and how its policy differs from it.

    The sizes of the envelope have a table of their own.
    """
    found = results.conclusions
    pairs = {pair.against: pair for pair in found.controls.pairs}
    sizes = {name for one in found.envelopes for name in (*one.lacking, *(size.control for size in one.sizes))}
    of = {name: str(one["of"]) for name, one in results.controls.items() if name not in sizes}
    shown = [row for row in results.control_rows() if row.policy in of]
    rows = tuple(_row(found, row, of[row.policy], pairs.get(row.policy)) for row in shown)
    tested = (
        "p is corrected for all comparisons with controls by Holm's method, apart from those with the reference. The "
        "verdict is on the policy, better or worse than its control."
    )
    if pairs and all(pair.alone for pair in pairs.values()):
        tested = f"{NOTHING_TESTED}."
    caption = f"Each growing policy minus its control, on the same seeds. {tested}"
    score = score_title(shown) if shown else found.ranked_by.words
    titles = ("control", score, "parameters", "training FLOPs", *_TITLES)
    return Table("controls", "Controls", caption, titles, rows)


def _row(found: Conclusions, row: TableRow, policy: str, pair: Pair | None) -> tuple[str, ...]:
    name, score, *_ = row.cells()
    cost = (row.size(), human(row.training_flops)) if row.seeds else ("", "")
    compared = (*difference_cells(found.ranked_by, pair), verdict_word(pair)) if pair else ("",) * 6
    return (name, score, *cost, policy, *compared)
