"""Growth by gradient descent, around a training loop."""

from __future__ import annotations

import fnmatch
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from growsearch.arguments import require_seed
from growsearch.errors import GrowthFailed, GrowthRefused, InputError, TraceError
from growsearch.graph import NetworkGraph, trace
from growsearch.graph.metering import FlopMeter
from growsearch.graph.wrapping import drop_compiled, unwrapped
from growsearch.growth.check import both_outputs, output_change, require_preserved
from growsearch.growth.device import event_conditions, wait_for_device
from growsearch.growth.event import GrowthEvent
from growsearch.growth.policy import Spec, strategy, strategy_name
from growsearch.growth.soft.fresh import fresh_fills
from growsearch.growth.soft.groups import add_groups, home_of, remove_groups
from growsearch.growth.soft.hooks import Hooks, ports_of
from growsearch.growth.soft.learned import Learned
from growsearch.growth.soft.ports import gate_ports
from growsearch.growth.soft.sizes import Sizes
from growsearch.growth.soft.strategy import SoftSize
from growsearch.growth.step import Names, facts
from growsearch.growth.trainable import require_held
from growsearch.surgery import Edit, Offset, Transaction, optimizers_of, site_edits


class SoftGrower:
    """Lets gradient descent choose the sizes of a network's sites while it trains.

    Every site's units are multiplied by gates where they are taken in, by hooks on the consumers; the model keeps its
    plain modules and parameters. Add `penalty()` to the loss, call `step()` after every optimizer step, and `compact()`
    at the end: it removes the units whose gates are 0, the hooks and the trained sizes.

    Args:
        model: the module itself; it is changed in place.
        optimizer: one or several; the numbers behind the sizes join the first that can train them, in groups of their
            own without weight decay. Make learning-rate schedulers afterwards: they count the groups.
        example_inputs: a tensor or a tuple of arguments (two or more samples, so that train mode can be checked).
        soft: a size strategy's name, `{name: {parameter: value}}`, or a strategy.
        sites: patterns (as in shells) of the sites whose size is trained; None: all where gates are exact.
        frozen: patterns of parameters of these sites that no optimizer trains, though they require gradients; all
            others have to be in a given optimizer.
        seed: of the random numbers of new units and of the controller.

    Raises `InputError` where the strategy, the patterns or the optimizer do not fit, and `GrowthRefused`, with the
    reason, where gates at a named site (or at all sites) would not be exact.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer | Sequence[Optimizer],
        example_inputs: Any,
        soft: Spec = "size_gate",
        *,
        sites: Sequence[str] | None = None,
        frozen: Sequence[str] = (),
        seed: int = 0,
    ) -> None:
        self.soft = strategy(SoftSize, "soft", soft)  # type: ignore[type-abstract]  # only used for isinstance
        model = unwrapped(model)
        self._model, self._example_inputs = model, example_inputs
        require_seed(seed)
        self._optimizers = list(optimizers_of(optimizer))
        home = home_of(self._optimizers)
        self.graph: NetworkGraph = trace(model, example_inputs)
        self.steps = 0
        self.seconds = 0.0
        """Spent on sizes that change, by this object."""
        self.flops = 0
        """Computed meanwhile."""
        self.compacted = False
        self.generator = torch.Generator().manual_seed(seed)
        units = {name: self.graph.sites[name].units for name in _soft_sites(model, self.graph, sites)}
        tensors = set[str]().union(*(self.graph.sites[name].tensors for name in units))
        require_held(model, tensors, self._optimizers, frozen)
        self.ports = ports_of(self.graph, model, units)
        """By site, where its gates are and where their values enter."""
        self._sizes = self._make_sizes(units)
        self._checking: dict[str, int] = {}
        self._hooks = Hooks(model, self.gates, self._sizes.entry)
        self._hooks.attach(self.ports)
        add_groups(home, self.learned.groups(self.soft.lr))

    @property
    def learned(self) -> Learned:
        """What is trained beside the model."""
        return self._sizes.learned

    @property
    def seed_units(self) -> Mapping[str, int]:
        """Units that every soft site began with."""
        return self._sizes.seed_units

    @property
    def sizes(self) -> dict[str, float]:
        """Real number of units that are on, by site."""
        if self.compacted:
            return {name: float(self.graph.sites[name].units) for name in self._sizes.seed_units}
        return self._sizes.real()

    def gates(self, site: str) -> Tensor:
        """Factors `[units]` of the units of a site, differentiable in the numbers behind the sizes."""
        units = self.graph.sites[site].units
        return self._sizes.gates(site, units, self._checking.get(site, units))

    def penalty(self) -> Tensor:
        """The size loss, to be added to the loss of the task; 0 once the network is compact."""
        return 0 * self._sizes.penalty().detach() if self.compacted else self._sizes.penalty()

    def step(self) -> GrowthEvent | None:
        """Count one optimizer step, and allocate units where a site's size nears those it has; the event, or None.

        The pool of such a site doubles, as often as it has to: a size that one optimizer step has taken beyond the pool
        finds its units after this call. Raises `GrowthFailed`, with everything rolled back, where the allocation itself
        changes the outputs.
        """
        self.steps += 1
        missing = {} if self.compacted else self._sizes.missing(self._allocated())
        started = time.perf_counter()  # looking at the sizes has waited for the device
        event = self._metered(lambda: self._allocate(missing)) if missing else None
        self.seconds += time.perf_counter() - started
        return event

    def compact(self) -> GrowthEvent:
        """Leave the plain network: units with a gate of 0 go, the consumers' weights and the biases take over the rest.

        At least one unit of each site stays. The optimizer is left with the parameters of the model. Raises
        `GrowthFailed`, with everything rolled back, where the outputs change.
        """
        if self.compacted:
            raise InputError("the network is compact already: compact() is called once, at the end")
        return self._metered(self._compact)

    def _compact(self) -> GrowthEvent:
        wait_for_device(self._model)
        started, old = time.perf_counter(), self.graph
        edits, removed = self._compaction()
        with event_conditions(), self._checked() as finish, Transaction(self._model, self._optimizers) as network:
            network.apply(edits)
            change = finish(False)
        self.compacted = True
        remove_groups(self._optimizers, self.learned.parameters())
        self.seconds += time.perf_counter() - started
        return self._event(old, {}, removed, change, edits, started)

    @contextmanager
    def detached(self) -> Iterator[None]:
        """Inside, the model has no hooks, and computes with all allocated units fully on: to trace it, say."""
        self._hooks.detach()
        try:
            yield
        finally:
            self._hooks.attach(self.ports)

    def state_dict(self) -> dict[str, Any]:
        """Plain data and tensors, loadable with `weights_only=True`."""
        return {
            "steps": self.steps,
            "seed_units": dict(self._sizes.seed_units),
            "generator": self.generator.get_state(),
            "learned": self.learned.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue where `state_dict` was taken, around the network as it was then (and before it was compact)."""
        self.steps = int(state["steps"])
        self._sizes.start_from(state["seed_units"])
        self.generator.set_state(state["generator"].cpu())
        self.learned.load_state_dict(state["learned"])

    def _metered(self, change: Callable[[], GrowthEvent]) -> GrowthEvent:
        with FlopMeter() as meter:
            event = change()
        drop_compiled()
        self.flops += meter.flops
        return replace(event, growth_flops=meter.flops)

    def _make_sizes(self, units: Mapping[str, int]) -> Sizes:
        like = next(p for p in self._model.parameters() if p.is_floating_point()).detach()
        like = like.to(torch.promote_types(like.dtype, torch.float32))
        counts = torch.tensor(list(units.values()), dtype=like.dtype)
        learner = self.soft.learner(counts * self.soft.start, self.soft.limit(counts), self.generator).to(like)
        inputs = {name: entry.values for name, (_, entry) in self.ports.items() if entry is not None}
        return Sizes(self.soft, Learned(learner, inputs, units, like), units, like)

    def _allocated(self) -> dict[str, int]:
        return {name: self.graph.sites[name].units for name in self._sizes.seed_units}

    def _allocate(self, missing: Mapping[str, int]) -> GrowthEvent:
        started, old = time.perf_counter(), self.graph
        edits: list[Edit] = []
        with (
            event_conditions(),
            self._checked() as finish,
            Transaction(self._model, self._optimizers) as network,
            Transaction(self.learned, self._optimizers) as learned,
        ):
            # One after the other, so that weights between new units of two sites start like all others.
            for name, units in missing.items():
                if edits:
                    self.graph = self._traced()
                site = self.graph.sites[name]
                fills = fresh_fills(self._model, site, units, self.generator)
                found = site_edits(site, [*range(site.units), *[-1] * units], fills)
                network.apply(found)
                learned.apply(self.learned.growth(name, units))
                edits += found
            change = finish(True)
        return self._event(old, dict(missing), {}, change, edits, started)

    def _compaction(self) -> tuple[list[Edit], dict[str, int]]:
        edits: list[Edit] = []
        removed = {}
        with torch.no_grad():
            for name, (_, entry) in self.ports.items():
                site = self.graph.sites[name]
                gates = self.gates(name).tolist()
                kept = [unit for unit, gate in enumerate(gates) if gate > 0] or [0]
                if entry is not None:
                    edits.append(Offset(entry.tensor, entry.on_channels(self._sizes.entry(name), 0.0)))
                scale = [gates[unit] for unit in kept]
                scales = {(use.tensor, use.axis): scale for use in site.axes if use.role == "in"}
                edits += site_edits(site, kept, scales=scales)
                removed[name] = site.units - len(kept)
        return edits, {name: units for name, units in removed.items() if units}

    @contextmanager
    def _checked(self) -> Iterator[Callable[[bool], float]]:
        """Inside, the hooks are off; the function that is given ends the change, and says what it did to the outputs.

        New units are off meanwhile, also those that the size has gone past: so what is seen is what the change does.
        Where anything fails, graph, ports and hooks are what they were.
        """
        self._checking = self._allocated()
        before = both_outputs(self._model, self._example_inputs)
        graph, ports = self.graph, self.ports
        self._hooks.detach()

        def finish(attached: bool) -> float:
            self.graph = self._traced()
            self.ports = ports_of(self.graph, self._model, self._allocated()) if attached else {}
            self._hooks.attach(self.ports)
            change = output_change(self._model, self._example_inputs, before)
            require_preserved(self._model, self._example_inputs, change)
            return max(change)

        try:
            yield finish
        except BaseException:
            self._hooks.detach()
            self.graph, self.ports = graph, ports
            self._hooks.attach(self.ports)
            raise
        finally:
            self._checking = {}

    def _traced(self) -> NetworkGraph:
        try:
            return trace(self._model, self._example_inputs)
        except TraceError as error:
            raise GrowthFailed(f"the changed network does not run, so the change was rolled back: {error}") from error

    def _event(
        self,
        old: NetworkGraph,
        added: dict[str, int],
        removed: dict[str, int],
        change: float,
        edits: Sequence[Edit],
        started: float,
    ) -> GrowthEvent:
        name = strategy_name("soft", self.soft)
        return GrowthEvent(
            **facts(old, self.graph, Names(name, name, name), self.steps, started),
            sites=added,
            removed=removed,
            predicted_change=None,
            measured_change=None,
            output_change=change,
            edits=tuple(edits),
        )


def _soft_sites(model: nn.Module, graph: NetworkGraph, patterns: Sequence[str] | None) -> list[str]:
    """Names of the sites whose size is trained."""
    reasons: dict[str, str] = {}
    for name, site in graph.sites.items():
        try:
            gate_ports(graph, model, site)
            if site.attributes:
                raise GrowthRefused(f"site {name!r} counts heads: grow it with a Grower, not with gates")
        except GrowthRefused as error:
            reasons[name] = str(error)
    named = [n for n in graph.sites if patterns is None or any(fnmatch.fnmatchcase(n, p) for p in patterns)]
    if not named and graph.sites:
        raise InputError(f"sites {list(patterns or ())} match none of {', '.join(graph.sites)}")
    for name in named:
        if name in (patterns or ()) and name in reasons:
            raise GrowthRefused(reasons[name])
    chosen = [name for name in named if name not in reasons]
    if not chosen:
        found = "; ".join(dict.fromkeys(reasons[name] for name in named))
        raise GrowthRefused(f"the network has no site whose size can be trained: {found or 'no hidden layer'}")
    return chosen
