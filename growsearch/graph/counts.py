"""Which whole numbers in a model's modules count the units of a site, found by running the model one unit wider."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations, islice

from growsearch.graph.block_trials import block_difference, block_edits
from growsearch.graph.carrying import scopes_of
from growsearch.graph.network import NetworkGraph
from growsearch.graph.site import AttributeUse, Site
from growsearch.graph.trials import Trials, wider_edits

_TRIALS = 64
"""So many sets of attributes are tried at a site."""


def follow_counts(graph: NetworkGraph, counted: dict[str, str], trials: Trials) -> NetworkGraph:
    """`graph` with the attributes that follow each site of `counted`; a site for which none make it run is frozen.

    Numbers that are needed are found by trial: the fewest with which a copy, one unit wider, runs and is traced with
    just that site wider. Numbers of heads that are only for show follow too where they do no harm.
    """
    sites = dict(graph.sites)
    solved: set[str] = set()
    known: list[tuple[str, ...]] = []
    hopeless: set[tuple[str, ...]] = set()
    for name, reason in counted.items():
        site = sites[name]
        if name in solved:  # as at an alike site before
            continue
        found = search_attributes(trials, site, known, hopeless)
        if found is None:
            why = f"{reason}, and no number that its modules keep makes it run with one unit more"
            sites[name] = replace(site, kind="frozen", reason=why, attributes=())
            continue
        sites[name] = replace(site, attributes=found)
        known.insert(0, tuple(use.name for use in found))
        solved.add(name)
        same = alike(trials, sites[name], [graph.sites[other] for other in counted if other not in solved])
        sites |= {site.name: site for site in same}
        solved |= {site.name for site in same}
    return replace(graph, sites=sites)


def runs_wider(counted: dict[str, str], trials: Trials, deeper: bool = False) -> bool:
    """Whether the model runs with all sites one unit wider at once, and has no numbers that could count their units.

    Where it does, there is nothing to look for: no site's size is written down anywhere. If it is to be `deeper`, too,
    each chain of blocks has one more in the same run.
    """
    graph = trials.graph
    if any(next(_candidates(trials, graph.sites[name], False), None) is not None for name in counted):
        return False
    sites = [site for site in graph.sites.values() if site.kind != "frozen"]
    blocks = list(graph.block_sites.values()) if deeper else []
    if not sites and not blocks:
        return True
    return (
        trials.failure_of(
            [*wider_edits(sites), *block_edits(blocks)],
            lambda after: trials.difference(after, sites) or block_difference(after, blocks),
        )
        is None
    )


def alike(trials: Trials, solved: Site, others: Sequence[Site]) -> list[Site]:
    """Return those of `others` at the same place of other blocks, with the same attributes, where that makes them run.

    Args:
        trials: of the model.
        solved: a site whose attributes make it run.
        others: sites without any.
    """
    wanted = {(_place(use.module), use.name) for use in solved.attributes}
    found = []
    for site in (each for each in others if _place(each.name) == _place(solved.name)):
        uses = [use for use in _candidates(trials, site, False) if (_place(use.module), use.name) in wanted]
        if len(uses) == len(solved.attributes):
            found.append(replace(site, attributes=tuple(uses)))
    return found if found and trials.failure(found) is None else []


def _place(name: str) -> str:
    """The name without its numbers, which tell blocks apart."""
    return re.sub(r"(?<![^.])\d+(?=\.|$)", "*", name)


def search_attributes(
    trials: Trials,
    site: Site,
    known: Sequence[tuple[str, ...]] = (),
    hopeless: set[tuple[str, ...]] | None = None,
    owners_only: bool = False,
) -> tuple[AttributeUse, ...] | None:
    """The attributes that have to follow a site for the model to run with one unit more; None where none make it run.

    Args:
        trials: of the model.
        site: with one unit more.
        known: sets of names that other sites needed, tried first.
        hopeless: kinds of modules, with their numbers, at which all sets were tried in vain; added to.
        owners_only: look at modules that own a tensor of the site only.
    """
    candidates = list(_candidates(trials, site, owners_only))

    def runs(uses: tuple[AttributeUse, ...]) -> bool:
        return trials.failure([replace(site, attributes=uses)]) is None

    by_name = {(use.name,): [other for other in candidates if other.name == use.name] for use in candidates}
    known = (*known, *(names for names, uses in by_name.items() if len(uses) > 1))
    for names in dict.fromkeys(known):  # what other layers of the same kind needed, or all of them
        alike = tuple(use for use in candidates if use.name in names)
        if (sorted(use.name for use in alike) == sorted(names) or names in by_name) and runs(alike):
            return alike
    kind = tuple(sorted({f"{type(trials.model.get_submodule(u.module)).__name__}.{u.name}" for u in candidates}))
    sizes = range(1 if hopeless is not None and kind in hopeless else len(candidates) + 1)
    subsets = (uses for size in sizes for uses in combinations(candidates, size))
    needed = next((uses for uses in islice(subsets, _TRIALS) if runs(uses)), None)
    if needed is None:
        if hopeless is not None:
            hopeless.add(kind)
        return None
    shown = (*needed, *(use for use in candidates if use not in needed and _counts_heads(use, site)))
    return shown if shown != needed and runs(shown) else needed


def _candidates(trials: Trials, site: Site, owners_only: bool) -> Iterator[AttributeUse]:
    """Whole numbers of the modules whose code handles the site's units that are as large as an axis of theirs."""
    graph = trials.graph
    sizes: set[int] = set()
    for layouts in graph.layouts.values():
        if site.name in layouts:
            sizes.add(site.units * sum(run.repeat for run in layouts[site.name][1]))
    owners = {use.module for use in site.axes}
    for path in scopes_of(graph, site.name):
        if owners_only and path not in owners:
            continue
        for name, value in vars(trials.model.get_submodule(path)).items():
            if type(value) is int and not name.startswith("_") and value in sizes:
                yield AttributeUse(path, name, value, value // site.units)


def _counts_heads(use: AttributeUse, site: Site) -> bool:
    """Whether the name says so; sizes count only where they are those of all heads together."""
    size = "dim" in use.name or "size" in use.name
    return "head" in use.name and (not size or use.per_unit > 1)
