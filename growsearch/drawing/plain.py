"""What `print` shows of a graph, a site and an event."""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from growsearch.graph import NetworkGraph, Site
    from growsearch.growth import GrowthEvent
    from growsearch.growth.changed_parameters import ChangedParameter

_WIDTH = 120
_ROLES = {
    "out": "made by",
    "bias": "its bias",
    "scale": "scaled by",
    "shift": "shifted by",
    "mean": "running mean",
    "variance": "running variance",
    "depthwise": "filtered one by one",
    "free": "also holds it",
    "in": "read by",
}


def graph_text(graph: NetworkGraph) -> str:
    """Return the size of a network, and all that can grow in it, a row a group of coupled channels."""
    from growsearch.drawing.terminal import block_table, site_table

    blocks = [block_table(graph)] if graph.block_sites else []
    head = f"{graph.parameters:,} parameters, {graph.flops:,} FLOPs per sample"
    return "\n".join([head, *(_rendered(one) for one in (site_table(graph), *blocks))])


def site_text(site: Site) -> str:
    """Return all that changes size together with a site, tensor by tensor."""
    costs = f"a unit costs {site.parameters_per_unit:,} parameters and {site.flops_per_unit:,} FLOPs"
    unit = f", {site.granularity} channels a unit" if site.granularity > 1 else ""
    why = f": {site.reason}" if site.reason else ""
    return f"site {site.name}, {site.width} wide{unit}, {site.kind}{why}; {costs}\n{_rendered(group_table(site))}"


def event_text(event: GrowthEvent) -> str:
    """Return what an event did: when and how, and parameters before and after."""
    head = f"step {event.step}: when {event.when}, where {event.where}, how {event.how}"
    if event.refused:
        return f"{head}; refused: {event.refused}"
    sizes = f"{event.parameters_before:,} to {event.parameters_after:,} parameters"
    flops = f"{event.flops_before:,} to {event.flops_after:,} FLOPs per sample"
    head = f"{head}; {sizes}, {flops}"
    shown = event.changed_parameters
    return f"{head}\n{_rendered(parameter_table(shown))}" if shown else head


def group_table(site: Site) -> Table:
    """Return one row for every axis of a tensor, and every number, that a site's units are in."""
    table = _table("tensor", "axis", "size", "the site is")
    for use in site.axes:
        row = (" = ".join((use.tensor, *use.aliases)), str(use.axis), str(use.size), _ROLES[use.role])
        table.add_row(*map(Text, row))
    for one in site.attributes:
        table.add_row(Text(f"{one.module}.{one.name}".lstrip(".")), "", str(one.value), f"{one.per_unit} more a unit")
    return table


def parameter_table(changed: Mapping[str, ChangedParameter]) -> Table:
    """Return one row for every changed parameter: its shape before and after, and where known what is new."""
    known = any(one.new for one in changed.values())
    table = _table("parameter", "before", "after", *(["new"] if known else []))
    for name, one in changed.items():
        new = "all" if one.before is None else ", ".join(_runs(axis, runs) for axis, runs in one.new.items())
        table.add_row(
            *map(Text, (name, _shape(one.before) or "not there", _shape(one.after), *([new] if known else [])))
        )
    return table


def _runs(axis: int, runs: tuple[tuple[int, int], ...]) -> str:
    return f"axis {axis}: {' '.join(f'{start}:{stop}' for start, stop in runs)}"


def _shape(shape: tuple[int, ...] | None) -> str:
    return "" if shape is None else "x".join(map(str, shape)) or "one number"


def _table(*titles: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for title in titles:
        table.add_column(title, overflow="fold")
    return table


def _rendered(one: RenderableType) -> str:
    out = StringIO()
    Console(file=out, width=_WIDTH, color_system=None, highlight=False).print(one)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()).strip("\n")
