"""Which sites an initializer refuses, so that a policy can go on with the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Literal, get_args, get_origin

from pydantic import ValidationError
from torch import nn

from growsearch.errors import GrowsearchError, GrowthRefused, GrowthWarning
from growsearch.graph import BlockSite, NetworkGraph, Site
from growsearch.growth.context import GrowthContext
from growsearch.growth.policy import Policy
from growsearch.growth.statistics.collect import require_gradient_matrix
from growsearch.growth.strategy import Initializer
from growsearch.registry import lookup, names
from growsearch.warning import warn_caller


def refused_beforehand(
    policy: Policy, model: nn.Module, graph: NetworkGraph, sites: Mapping[str, Site], trainable: frozenset[str] | None
) -> dict[str, str]:
    """By name, why `how` can make no units at a site, or `where` not rank it, whatever the data.

    Args:
        policy: its initializer and its selector.
        model: the network.
        graph: its graph.
        sites: those that may change.
        trainable: names of the parameters that train; None: all.

    Raises:
        GrowthRefused: that is so at every site.
    """

    def attempt(name: str) -> None:
        policy.how.require(model, graph, sites[name], trainable)
        if "gradient_matrix" in policy.where.needs:
            require_gradient_matrix(model, graph, sites[name])

    found = _reasons(sites, attempt)
    if found and len(found) == len(sites):
        raise GrowthRefused("; ".join(dict.fromkeys(found.values())))
    return found


def refused_blocks(
    how: Initializer, sites: Mapping[str, BlockSite], trainable: frozenset[str] | None
) -> dict[str, str]:
    """By name, why `how` can make no blocks at a site, whatever the data; `GrowthRefused` where that is so at all."""
    found = _reasons(sites, lambda name: how.require_blocks(sites[name], trainable))
    if found and len(found) == len(sites):
        raise GrowthRefused("; ".join(dict.fromkeys(found.values())))
    return found


@dataclass(frozen=True)
class SiteRefusal:
    """Why an initializer can make no units at a site: as it is by default, or only `given` an option.

    `unless` is an option with which it can, where it cannot by default.
    """

    reason: str
    given: str = ""
    unless: str = ""


def refused_by(model: nn.Module, graph: NetworkGraph) -> dict[str, dict[str, SiteRefusal]]:
    """By exact site and installed initializer, what a `Grower` with that initializer would leave out and say.

    Sites are those that an initializer refuses by default; there, what the others refuse given an option is told too.
    """
    exact = {name: site for name, site in graph.sites.items() if site.kind == "exact"}
    kinds = _initializers()
    by_default = {how: _refusing(kind, {}, model, graph, exact) for how, kind in kinds.items()}
    asked = {name: site for name, site in exact.items() if any(name in own for own in by_default.values())}
    found: dict[str, dict[str, SiteRefusal]] = {name: {} for name in asked}
    for how, kind in kinds.items():
        for name, reason in by_default[how].items():
            found[name][how] = SiteRefusal(reason)
        for key, value in _choices(kind):
            option, refused = f"{key}: {value}", _refusing(kind, {key: value}, model, graph, asked)
            for name in asked:
                if name in by_default[how] and name not in refused:
                    found[name][how] = replace(found[name][how], unless=option)
                elif name in refused and name not in by_default[how]:
                    found[name][how] = SiteRefusal(refused[name], given=option)
    return found


def _initializers() -> dict[str, type[Initializer]]:
    """Those that make units and need no parameter, but for what cannot be imported here."""
    found: dict[str, type[Initializer]] = {}
    for name in names("how"):
        with suppress(GrowsearchError):
            kind = lookup("how", name)
            if issubclass(kind, Initializer) and not kind.deepens():
                found[name] = kind
    return {name: kind for name, kind in found.items() if not any(f.is_required() for f in kind.model_fields.values())}


def _choices(kind: type[Initializer]) -> list[tuple[str, str]]:
    """The options that are one of some words, and each of the words but the default."""
    fields = {name: field for name, field in kind.model_fields.items() if get_origin(field.annotation) is Literal}
    return [(name, word) for name, one in fields.items() for word in get_args(one.annotation) if word != one.default]


def _refusing(
    kind: type[Initializer],
    options: Mapping[str, str],
    model: nn.Module,
    graph: NetworkGraph,
    sites: Mapping[str, Site],
) -> dict[str, str]:
    try:
        how = kind(**options)
    except ValidationError as error:
        return dict.fromkeys(sites, str(error))
    return _reasons(sites, lambda name: how.require(model, graph, sites[name]))


def refused_now(how: Initializer, context: GrowthContext) -> dict[str, str]:
    """By name, why `how` refuses a site by itself."""
    return _reasons(context.names, lambda name: how.propose({name: 1}, context))


def _reasons(names: Iterable[str], attempt: Callable[[str], object]) -> dict[str, str]:
    found = {}
    for name in names:
        try:
            attempt(name)
        except GrowthRefused as error:
            found[name] = str(error)
    return found


def warn_of(left_out: Mapping[str, str]) -> None:
    """Tell which sites growth leaves out from now on, and why; nothing where there are none."""
    if left_out:
        told = "; ".join(f"{name!r}: {reason}" for name, reason in left_out.items())
        warn_caller(f"from now on growth leaves out {told}", GrowthWarning)


def why_none_grows(graph: NetworkGraph) -> str:
    """Why a network has no site that can grow, by what its sites say."""
    reasons = {site.reason for site in graph.sites.values() if site.reason}
    return f"the network has no site that can grow: {'; '.join(sorted(reasons)) or 'no hidden layer'}"


def why_no_blocks(graph: NetworkGraph) -> str:
    """Why a network has no block site, by what its containers of alike blocks say."""
    reasons = "; ".join(sorted(set(graph.no_block_sites.values())))
    none = "it has no nn.ModuleList or nn.Sequential of blocks that give a tensor of the shape of their input"
    return f"the network has no blocks that can be copied: {reasons or none}"


def why_matched_stay(graph: NetworkGraph, patterns: Sequence[str]) -> str:
    """What keeps a policy from growing the sites that the patterns match; empty where they match none."""
    matched = [site for site in graph.sites.values() if any(fnmatchcase(site.name, each) for each in patterns)]
    reasons = [f"{s.name!r} is frozen: {s.reason}" for s in matched if s.kind == "frozen"]
    others = [site.name for site in matched if site.kind != "frozen"]
    if others:
        reasons.insert(0, f"streams and mixing sites grow only by their full name, sites={others}")
    return f"match nothing that grows: {'; '.join(reasons[:3])}" if reasons else ""
