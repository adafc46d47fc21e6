"""How much deeper one event may make a network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from growsearch.graph import BlockSite
from growsearch.growth.allowance import UNLIMITED, Allowance
from growsearch.growth.budget import Budget
from growsearch.growth.limits import left_to
from growsearch.growth.strategy import Initializer


def layer_allowance(sites: Iterable[str], budget: Budget | None, added: int, events: int) -> Allowance:
    """One layer an event, anywhere; a width budget does not limit depth.

    Args:
        sites: names of the depth sites.
        budget: where growth stops; None: nowhere.
        added: layers so far.
        events: so far.
    """
    allowed = dict.fromkeys(sites, 1)
    if budget is None or budget.measure == "width":
        return Allowance(allowed, allowed, 1)
    limit = int(budget.at(events))
    if budget.measure == "units":
        return Allowance(allowed, allowed, min(1, max(0, limit - added)))
    if budget.measure == "parameters":
        return Allowance(allowed, allowed, 1, parameters=limit)
    return Allowance(allowed, allowed, 1, flops=limit)


def block_allowance(
    how: Initializer,
    sites: Mapping[str, BlockSite],
    seed_blocks: Mapping[str, int],
    budget: Budget | None,
    added: int,
    used: Mapping[str, int],
    events: int,
    most: Mapping[str, int],
) -> Allowance:
    """As many blocks at every site as `how` adds in one event, as far as the budget goes.

    Args:
        how: the initializer, which stacks.
        sites: that may change.
        seed_blocks: of every block site of the network as it was at first, by name.
        budget: where growth stops; None: nowhere. One of width does not limit depth.
        added: blocks so far.
        used: the network's blocks, parameters and FLOPs.
        events: so far.
        most: blocks that a limit of its own allows a site.
    """
    left_to_each = left_to(sites, {name: site.blocks for name, site in sites.items()}, most)
    found = _by_budget(how, sites, seed_blocks, budget, added, used, events)
    caps = {name: min(cap, left_to_each[name]) for name, cap in found.caps.items()}
    requests = {name: min(wanted, caps[name]) for name, wanted in found.requests.items()}
    return replace(found, caps=caps, requests=requests)


def _by_budget(
    how: Initializer,
    sites: Mapping[str, BlockSite],
    seed_blocks: Mapping[str, int],
    budget: Budget | None,
    added: int,
    used: Mapping[str, int],
    events: int,
) -> Allowance:
    wanted = {name: how.added_blocks(site.blocks) for name, site in sites.items()}
    caps = dict.fromkeys(sites, UNLIMITED)
    if budget is None or budget.measure == "width":
        return Allowance(wanted, caps, sum(wanted.values()))
    limit = budget.at(events)
    if budget.measure == "depth":
        caps = {name: max(0, round(seed_blocks[name] * limit) - site.blocks) for name, site in sites.items()}
    elif budget.measure in ("units", "blocks"):
        left = max(0, int(limit) - (added if budget.measure == "units" else used["blocks"]))
        return Allowance(wanted, dict.fromkeys(sites, left), min(left, sum(wanted.values())))
    else:
        left = max(0, int(limit) - used[budget.measure])
        costs = {n: site.flops if budget.measure == "flops" else site.parameters for n, site in sites.items()}
        caps = {name: left // max(1, min(cost)) for name, cost in costs.items()}
    requests = {name: min(wanted[name], caps[name]) for name in sites}
    most = {measure: int(limit) if budget.measure == measure else UNLIMITED for measure in ("parameters", "flops")}
    return Allowance(requests, caps, sum(requests.values()), most["parameters"], most["flops"])
