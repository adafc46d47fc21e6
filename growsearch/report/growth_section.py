"""Growth on the page: numbers of all policies, and for the one that is chosen its widths, gradients and network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from growsearch.errors import GrowsearchError
from growsearch.report.growth import growth_table, growth_words
from growsearch.report.logs import RunLog, median_run
from growsearch.report.markup import chart, details, menu, note, stacked_table, table
from growsearch.report.network_boxes import Box, network_boxes
from growsearch.report.network_svg import HATCH, network_svg
from growsearch.report.tables import Table

_WIDTHS = (
    "Each row is a site whose width changed, each column its width after a growth event; colour: times the seed's."
)
_RATIOS = (
    "Each mark is one site at one growth event: gradient norm of its new units over that of the old ones, right after "
    "the event. At 1, the dashed line, new units learn as fast as old ones. The line joins the medians of the events."
)


def growth_section(
    logs: Mapping[str, Sequence[RunLog]], names: Sequence[str], first: str | None, allow_import: bool = False
) -> str:
    """The section, with the policies that grew in the order of `names`, but `first` chosen; empty where none did.

    Args:
        logs: of each policy's median run.
        names: of policies.
        first: the one that is chosen; None: the first that grew.
        allow_import: whether a network named by import path may be imported.
    """
    medians = {name: median_run(logs[name]) for name in names if any(run.events for run in logs[name])}
    medians = {name: run for name, run in medians.items() if run.events}
    if not medians:
        return ""
    widths = chart("widths", "Width of every site over time", _WIDTHS)
    networks = "".join(_network(name, run, allow_import) for name, run in medians.items())
    return (
        f"{stacked_table(growth_table(logs, names))}\n<h3>One policy, step by step</h3>\n"
        f"{menu('grown-policy', 'Policy', medians, first)}\n"
        f'<h4>Widths over time</h4>\n<div data-needs="widths">{widths}'
        '</div><p data-lacks="widths" hidden>No site changed its width.</p>\n'
        f'<h4>Gradient of new units</h4>\n<div data-needs="ratios">'
        f"{chart('ratios', 'Ratio of gradients, new units over old ones', _RATIOS)}"
        '</div><p data-lacks="ratios" hidden>No ratio was logged: no unit was new, or the strategy has none.</p>\n'
        f"<h4>The network before and after</h4>\n{HATCH}{_key()}\n{networks}"
    )


def _key() -> str:
    marks = {"seed": "there from the start", "added": "added by growth", "removed": "removed by growth"}
    items = "".join(
        f'<li><svg class="network" width="26" height="12" aria-hidden="true"><rect class="{kind}" x="1" y="1" '
        f'width="24" height="10"/></svg> {words}</li>'
        for kind, words in marks.items()
    )
    return f'<ul class="key">{items}</ul>'


def _network(name: str, run: RunLog, allow_import: bool) -> str:
    words = growth_words(name, run)
    try:
        boxes = network_boxes(run.folder, run.events[0]["widths_before"], allow_import)
    except GrowsearchError as error:
        drawn = note(f"Not drawn: {error}")
    else:
        picture = network_svg(boxes, f"Network of {words} The widths are in the table below the drawing.")
        widths = details("The widths as a table", table(_width_table(name, run, boxes)))
        drawn = f'<div class="drawing" tabindex="0" role="region" aria-label="Drawing">{picture}</div>{widths}'
    return f'<div class="per-policy" data-policy="{escape(name)}"><p>{escape(words)}</p>{drawn}</div>\n'


def _width_table(name: str, run: RunLog, boxes: Sequence[Box]) -> Table:
    rows = tuple(
        (box.name, box.what, "new" if box.inserted else str(box.before), str(box.after))
        for box in boxes
        if box.after is not None
    )
    caption = f"Widths of {name}'s layers, seed {run.seed}, before the first growth event and at the end."
    return Table("network", "Network", caption, ("layer", "what", "before", "after"), rows)
