"""Which whole numbers in a model's modules count the units of a site, found by running the model one unit wider."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import combinations, islice
from typing import Any

from torch import nn

from growsearch.errors import GrowsearchError
from growsearch.graph.copying import meta_model
from growsearch.graph.network import NetworkGraph
from growsearch.graph.running import is_small
from growsearch.graph.site import AttributeUse, Site

Traced = Callable[[nn.Module, Any], tuple[NetworkGraph, dict[str, str]]]

_TRIALS = 64
"""So many sets of attributes are tried at a site."""


def follow_counts(
    model: nn.Module, example_inputs: Any, graph: NetworkGraph, counted: dict[str, str], traced: Traced
) -> NetworkGraph:
    """`graph` with the attributes that follow each site of `counted`; a site for which none make it run is frozen.

    Numbers that are needed are found by trial: the fewest with which a copy, one unit wider, runs and is traced with
    just that site wider. Numbers of heads that are only for show follow too where they do no harm.
    """
    sites = dict(graph.sites)
    known: list[tuple[str, ...]] = []
    for name, reason in counted.items():
        site = graph.sites[name]
        found = _search(model, example_inputs, graph, site, known, traced)
        if found is None:
            why = f"{reason}, and no number that its modules keep makes it run with one unit more"
            sites[name] = replace(site, kind="frozen", reason=why, attributes=())
            continue
        sites[name] = replace(site, attributes=found)
        known.insert(0, tuple(use.name for use in found))
    return replace(graph, sites=sites)


def _search(
    model: nn.Module,
    example_inputs: Any,
    graph: NetworkGraph,
    site: Site,
    known: list[tuple[str, ...]],
    traced: Traced,
) -> tuple[AttributeUse, ...] | None:
    candidates = list(_candidates(model, graph, site))

    def runs(uses: tuple[AttributeUse, ...]) -> bool:
        return _runs_wider(model, example_inputs, graph, replace(site, attributes=uses), traced)

    for names in dict.fromkeys(known):  # what other layers of the same kind needed
        alike = tuple(use for use in candidates if use.name in names)
        if sorted(use.name for use in alike) == sorted(names) and runs(alike):
            return alike
    subsets = (uses for size in range(len(candidates) + 1) for uses in combinations(candidates, size))
    needed = next((uses for uses in islice(subsets, _TRIALS) if runs(uses)), None)
    if needed is None:
        return None
    shown = (*needed, *(use for use in candidates if use not in needed and _counts_heads(use, site)))
    return shown if shown != needed and runs(shown) else needed


def _candidates(model: nn.Module, graph: NetworkGraph, site: Site) -> Iterator[AttributeUse]:
    """Whole numbers of the modules whose code handles the site's units that are as large as an axis of theirs."""
    sizes: set[int] = set()
    scopes: dict[str, None] = {}
    for call, layouts in graph.layouts.items():
        if site.name in layouts:
            sizes.add(site.units * sum(run.repeat for run in layouts[site.name][1]))
            scopes[graph.calls[call].scope] = None
    for path in scopes:
        for name, value in vars(model.get_submodule(path)).items():
            if type(value) is int and not name.startswith("_") and value in sizes:
                yield AttributeUse(path, name, value, value // site.units)


def _counts_heads(use: AttributeUse, site: Site) -> bool:
    """Whether the name says so; sizes count only where they are those of all heads together."""
    size = "dim" in use.name or "size" in use.name
    return "head" in use.name and (not size or use.per_unit > 1)


def _runs_wider(model: nn.Module, example_inputs: Any, graph: NetworkGraph, site: Site, traced: Traced) -> bool:
    """Whether a copy one unit wider runs, and its trace shows the same sites with one unit more at this one."""
    from growsearch.surgery import apply_edits, site_edits  # the surgery is built on this package

    try:
        wide = (copy.deepcopy if is_small(model) else meta_model)(model)
        apply_edits(wide, site_edits(site, (*range(site.units), -1)))
        after, _ = traced(wide, example_inputs)
    except GrowsearchError:
        return False
    more = {name: other.units + (name == site.name) for name, other in graph.sites.items()}
    same_width = site.name in after.sites and after.sites[site.name].granularity == site.granularity
    return same_width and {name: other.units for name, other in after.sites.items()} == more
