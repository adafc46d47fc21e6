"""A graph for the terminal: the tree of its calls and the table of its sites."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from growsearch.graph import Call, NetworkGraph, Site

if TYPE_CHECKING:
    from growsearch.growth.refusals import SiteRefusal

_STYLES = {"exact": "green", "mixing": "yellow", "frozen": "red"}


def site_table(graph: NetworkGraph, marked: Collection[str] = ()) -> Table:
    """Return one row for every site: how wide it is, whether it can grow, and what a unit costs.

    The kind of the `marked` ones has a star.
    """
    table = Table(title=f"{len(graph.sites)} sites", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("site", overflow="fold")
    table.add_column("width", justify="right", no_wrap=True)
    table.add_column("granu-\nlarity", justify="right", no_wrap=True)
    table.add_column("kind", overflow="fold")
    table.add_column("producers", overflow="fold")
    table.add_column("consumers", overflow="fold")
    table.add_column("parameters\n/unit", justify="right", no_wrap=True)
    table.add_column("FLOPs\n/unit", justify="right", no_wrap=True)
    for site in graph.sites.values():
        table.add_row(
            Text(site.name),
            str(site.width),
            str(site.granularity),
            _kind(site, "*" if site.name in marked else ""),
            Text(_shortened(site.producers)),
            Text(_shortened(site.consumers)),
            f"{site.parameters_per_unit:,}",
            f"{site.flops_per_unit:,}",
        )
    return table


def block_table(graph: NetworkGraph) -> Table:
    """Return one row for every run of alike blocks, those that cannot become longer with the reason."""
    table = Table(title="block sites", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("block site", overflow="fold")
    table.add_column("blocks", justify="right", no_wrap=True)
    table.add_column("copies", overflow="fold")
    table.add_column("parameters\n/block", justify="right", no_wrap=True)
    table.add_column("FLOPs\n/block", justify="right", no_wrap=True)
    for site in graph.block_sites.values():
        copies = Text("exact", style="green") if site.outputs else Text("inexact", style="yellow")
        if site.reason:
            copies.append(f": {site.reason}", style="default")
        costs = (_range(site.parameters), _range(site.flops))
        table.add_row(Text(site.name), str(site.blocks), copies, *costs)
    for name, reason in graph.no_block_sites.items():
        table.add_row(Text(name), "", Text("none", style="red").append(f": {reason}", style="default"), "", "")
    return table


def network_tree(graph: NetworkGraph) -> Tree:
    """Return the calls in execution order under the modules in which they happen, with output shapes and sites."""
    head = f"network: {graph.parameters:,} parameters, {graph.flops:,} FLOPs per sample"
    traced = next((call.shape[0] for call in graph.calls.values() if call.kind == "input" and call.shape), None)
    root = Tree(Text(head + (f"; shapes of {traced} samples" if traced else ""), style="bold"))
    branches: dict[str, Tree] = {"": root}
    for call in graph.calls.values():
        if call.kind != "parameter" and call.target != "item":
            _branch(branches, call.scope).add(_line(graph, call))
    return root


def _branch(branches: dict[str, Tree], scope: str) -> Tree:
    if scope not in branches:
        parent, _, name = scope.rpartition(".")
        branches[scope] = _branch(branches, parent).add(Text(name, style="bold"))
    return branches[scope]


def _line(graph: NetworkGraph, call: Call) -> Text:
    line = Text(call.name.removeprefix(f"{call.scope}."))
    what = call.rule or "no rule"
    if what != call.target:
        line.append(f"  {what}", style="dim")
    if call.shape is not None:
        line.append(f"  {'x'.join(map(str, call.shape))}", style="cyan")
    for name in graph.layouts.get(call.name, {}):
        line.append(f"  {name}", style=_STYLES[graph.sites[name].kind])
    return line


def refusal_lines(graph: NetworkGraph, refused: Mapping[str, Mapping[str, SiteRefusal]]) -> list[str]:
    """Return what stands below a table with marked sites: which initializers leave these out.

    Sites that are alike but for numbers in their names, all of them, are one pattern.
    """
    if not refused:
        return []
    said = {name: _leaving_out(refused.get(name, {})) for name, site in graph.sites.items() if site.kind == "exact"}
    alike: dict[str, set[str]] = {}
    for name, words in said.items():
        alike.setdefault(_pattern(name), set()).add(words)
    shown = {_pattern(name) if len(alike[_pattern(name)]) == 1 else name: said[name] for name in refused}
    return ["* grows, but not by every initializer (how):", *(f"  {name}: {words}" for name, words in shown.items())]


def _leaving_out(refused: Mapping[str, SiteRefusal]) -> str:
    """`not by tiny, gradmax (but with norm: fixed), nor with side: incoming by random, zero`."""
    always = [
        how + (f" (but with {one.unless})" if one.unless else "") for how, one in refused.items() if not one.given
    ]
    given: dict[str, list[str]] = {}
    for how, one in refused.items():
        if one.given:
            given.setdefault(one.given, []).append(how)
    nor = [f"nor with {option} by {', '.join(names)}" for option, names in given.items()]
    return "; ".join([f"not by {', '.join(always)}", *nor])


def _pattern(name: str) -> str:
    return ".".join("*" if part.isdigit() else part for part in name.split("."))


def _kind(site: Site, mark: str) -> Text:
    text = Text(f"{site.kind}{mark}", style=_STYLES[site.kind])
    if site.reason:
        text.append(f": {site.reason}", style="default")
    if site.stream is not None:
        writers, norms = len(site.stream.writers), len(site.stream.norms)
        text.append(f": stream, {norms} norms and {writers} tensors that write to it move along", style="default")
    return text


def _range(costs: tuple[int, ...]) -> str:
    least, most = min(costs), max(costs)
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"


def _shortened(names: tuple[str, ...]) -> str:
    return f"{names[0]} +{len(names) - 1}" if len(names) > 1 else names[0]
