"""Where a network may grow, and how far."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import nn

from growsearch.errors import GrowthRefused, GrowthWarning, InputError
from growsearch.graph import BlockSite, DepthSite, NetworkGraph, Site
from growsearch.graph.literals import LITERAL
from growsearch.growth.allowance import UNLIMITED, Allowance, GrowthSoFar, allowance_for
from growsearch.growth.budget import Budget
from growsearch.growth.candidate import Candidate, Removal
from growsearch.growth.depth_allowance import block_allowance, layer_allowance
from growsearch.growth.limits import left_to, resolved_limits
from growsearch.growth.policy import Policy
from growsearch.growth.refusals import (
    refused_beforehand,
    refused_blocks,
    warn_of,
    why_matched_stay,
    why_no_blocks,
    why_none_grows,
)
from growsearch.growth.rounding import Rounding, require_rounding, unlimited
from growsearch.surgery import Deepening, active_parameters, origin, rename
from growsearch.warning import warn_caller


class Room:
    """The sites that a policy may change, and what its budget leaves for one event.

    Args:
        policy: what it makes decides which kind of sites.
        graph: of the network before any growth.
        budget: where growth stops; None: nowhere.
        amount: share of its seed width that a site gains in one event; None: see `allowance_for`.
        patterns: of the sites that may change, as in shells; None: all that preserve the function.
        round_to: of which widths are to be multiples after an event.
        limits: by pattern, the most channels of a site, or blocks of a block site.
    """

    def __init__(
        self,
        policy: Policy,
        graph: NetworkGraph,
        budget: Budget | None,
        amount: float | None,
        patterns: Sequence[str] | None,
        round_to: int = 1,
        limits: Mapping[str, int] | None = None,
    ) -> None:
        if budget is not None and Removal not in policy.where.takes:
            budget.check_seed(graph.parameters, graph.flops)
        if budget is not None and budget.measure in ("depth", "blocks") and not policy.how.stacks():
            raise InputError(f"budget {budget.measure}: how {policy.names.how} makes no blocks: give another budget")
        if amount is not None and not (isinstance(amount, int | float) and amount > 0):
            raise InputError(f"amount: {amount} must be above 0, a share of the seed width (null: spread the budget)")
        require_rounding(round_to, policy)
        self._round_to = round_to
        self.left_out: dict[str, str] = {}
        """Sites that growing leaves out since they failed a check or were refused, with the reason."""
        self.budget = budget
        self._policy = policy
        self._moves = Removal in policy.where.takes
        self._amount, self._patterns = amount, patterns
        self._seed_units = {name: site.units for name, site in graph.sites.items()}
        self._seed_blocks = {name: site.blocks for name, site in graph.block_sites.items()}
        self._added = 0
        self._most = resolved_limits(limits, graph, policy)

    def sites(self, graph: NetworkGraph) -> dict[str, Site]:
        """Plain exact sites; a stream or a mixing one only where a pattern names it in full."""
        sites = graph.sites.items()
        return {n: site for n, site in sites if n not in self.left_out and site.takes_part(self._patterns)}

    def depth_sites(self, graph: NetworkGraph) -> dict[str, DepthSite]:
        """Where layers may come in."""
        return {name: site for name, site in graph.depth_sites.items() if self._open(name)}

    def block_sites(self, graph: NetworkGraph) -> dict[str, BlockSite]:
        """Where blocks may be copied."""
        return {name: site for name, site in graph.block_sites.items() if self._open(name)}

    def tensors(self, graph: NetworkGraph, model: nn.Module) -> set[str]:
        """Names of all that an event may replace or copy: the tensors of the sites, or those of the blocks."""
        if self._policy.how.deepens():
            sites = self.block_sites(graph).values() if self._policy.how.stacks() else ()
            paths = [site.path(block) for site in sites for block in range(site.blocks)]
            return {f"{path}.{name}" for path in paths for name, _ in model.get_submodule(path).named_parameters()}
        return set[str]().union(*(site.tensors for site in self.sites(graph).values()))

    def leave_out_refused(self, model: nn.Module, graph: NetworkGraph, trainable: frozenset[str] | None) -> None:
        """Leave out the sites that are refused whatever the data, with a warning: that is known before anyone trains.

        Args:
            model: the network.
            graph: its graph.
            trainable: names of the parameters that train; None: all.
        """
        if self._policy.how.stacks():
            self.left_out |= refused_blocks(self._policy.how, self.block_sites(graph), trainable)
        elif not self._policy.how.deepens():
            self.left_out |= refused_beforehand(self._policy, model, graph, self.sites(graph), trainable)
        warn_of(self.left_out)

    def check(self, graph: NetworkGraph) -> None:
        """Raise `InputError` where the patterns match no site, `GrowthRefused` where there is none that can grow."""
        how = self._policy.how
        every: Mapping[str, Any] = graph.block_sites if how.stacks() else graph.depth_sites
        growable = [name for name in every if self._named(name)] if how.deepens() else list(self.sites(graph))
        if growable:
            return
        if how.stacks() and not every:
            raise GrowthRefused(why_no_blocks(graph))
        if self._patterns is not None:
            known = ", ".join(every if how.deepens() else graph.sites) or "none"
            matched = "" if how.deepens() else why_matched_stay(graph, self._patterns)
            raise InputError(f"sites {list(self._patterns)} {matched or f'match none of {known}'}")
        reason = why_none_grows(graph)
        if not any(site.reason.startswith(LITERAL) for site in graph.sites.values()):
            raise GrowthRefused(reason)
        # What only a trial told is no fault of the policy: training goes on, and every event says why it is refused.
        warn_caller(reason, GrowthWarning)

    def allowance(self, model: nn.Module, graph: NetworkGraph, events: int, events_left: int | None) -> Allowance:
        """What one event may add.

        Args:
            model: the network as it is.
            graph: of it.
            events: so far.
            events_left: of the scheduler, this one included; None where that is not known.
        """
        used = {"parameters": active_parameters(model), "flops": graph.flops}
        if self._policy.how.stacks():
            used["blocks"] = sum(site.blocks for site in graph.block_sites.values())
            own = self.block_sites(graph)
            return block_allowance(
                self._policy.how, own, self._seed_blocks, self.budget, self._added, used, events, self._most
            )
        if self._policy.how.deepens():
            return layer_allowance(self.depth_sites(graph), self.budget, self._added, events)
        now = self._so_far(graph, used, events)
        found = allowance_for(self.budget, now, self._amount, events_left)
        rounding = self.rounding(model, graph, events)
        return found if rounding is None else rounding.allowed(found)

    def rounding(self, model: nn.Module, graph: NetworkGraph, events: int) -> Rounding | None:
        """What makes widths multiples of a number; None where they may be any.

        Args:
            model: the network as it is.
            graph: of it.
            events: so far.
        """
        if self._round_to == 1 or self._policy.how.deepens():
            return None
        sites = self.sites(graph)
        if self.budget is None:
            return Rounding.of(self._round_to, sites, replace(unlimited(list(sites)), caps=self._left(sites)))
        used = {"parameters": active_parameters(model), "flops": graph.flops}
        within = allowance_for(self.budget, self._so_far(graph, used, events), None, events_left=1)
        if self.budget.measure in ("parameters", "flops"):
            within = replace(within, units=UNLIMITED)
        return Rounding.of(self._round_to, sites, within)

    def _so_far(self, graph: NetworkGraph, used: Mapping[str, int], events: int) -> GrowthSoFar:
        sites = self.sites(graph)
        measure = self.budget.measure if self.budget is not None else "units"
        cost = {n: float(s.flops_per_unit if measure == "flops" else s.parameters_per_unit) for n, s in sites.items()}
        return GrowthSoFar(
            seed={name: self._seed_units[name] for name in sites},
            current={name: site.units for name, site in sites.items()},
            added=self._added,
            used=used,
            unit_cost=cost,
            events=events,
            moves=self._moves,
            left=self._left(sites),
        )

    def _left(self, sites: Mapping[str, Site]) -> dict[str, int]:
        """Whole units that the limits leave to each site."""
        left = left_to(sites, {name: site.width for name, site in sites.items()}, self._most)
        return {name: channels // sites[name].granularity for name, channels in left.items()}

    def used_up(self, model: nn.Module, graph: NetworkGraph, events: int) -> bool:
        """Whether all that the budget leaves allows no unit; one event's part of it may be too small for one.

        Args:
            model: the network as it is.
            graph: of it.
            events: so far.
        """
        if self.budget is not None and events < len(self.budget.limits) - 1:
            return False
        return self.allowance(model, graph, events, events_left=1).empty

    def follow(self, graph: NetworkGraph, chosen: Sequence[Candidate], insertions: Sequence[Deepening]) -> None:
        """Account for an event: `graph` is that of after."""
        self._added += sum(candidate.gain for candidate in chosen)
        before = self._seed_units
        # A layer behind a producer gives its site another name, and so does a block before it.
        self._seed_units = {rename(name, insertions): units for name, units in before.items()}
        self.left_out = {rename(name, insertions): reason for name, reason in self.left_out.items()}
        most = {rename(name, insertions): limit for name, limit in self._most.items()}
        copied = {
            name: self._most[source] for name in graph.sites if (source := origin(name, insertions)) in self._most
        }
        self._most = copied | most
        for name, site in graph.sites.items():
            # A copied block is as much wider than the seed's as the block that it copies.
            self._seed_units.setdefault(name, before.get(origin(name, insertions) or "", site.units))

    def state_dict(self) -> dict[str, Any]:
        """Plain data for a checkpoint."""
        return {
            "seed_units": dict(self._seed_units),
            "seed_blocks": dict(self._seed_blocks),
            "added": self._added,
            "left_out": dict(self.left_out),
            "limits": dict(self._most),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Inverse of `state_dict`; the state may hold more."""
        self._seed_units = dict(state["seed_units"])
        self._seed_blocks = dict(state["seed_blocks"])
        self._added = int(state["added"])
        self.left_out = dict(state["left_out"])
        # Files of older versions have none.
        self._most = dict(state.get("limits", self._most))

    def _open(self, name: str) -> bool:
        return self._named(name) and name not in self.left_out

    def _named(self, name: str) -> bool:
        return self._patterns is None or any(fnmatch.fnmatchcase(name, pattern) for pattern in self._patterns)
