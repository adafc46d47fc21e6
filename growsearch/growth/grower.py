"""Growth around a training loop."""

from __future__ import annotations

import fnmatch
import itertools
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from growsearch.errors import GrowthFailed, GrowthRefused, GrowthWarning, InputError
from growsearch.graph import NetworkGraph, Site, trace
from growsearch.graph.literals import LITERAL
from growsearch.graph.metering import FlopMeter
from growsearch.graph.remembered import remembered_sizes
from growsearch.growth.allowance import Allowance, GrowthSoFar, allowance_for
from growsearch.growth.births import Births, parameter_shapes
from growsearch.growth.budget import Budget
from growsearch.growth.candidate import Candidate, NewLayer, Removal, Rewiring
from growsearch.growth.context import GrowthContext
from growsearch.growth.device import full_precision, wait_for_device
from growsearch.growth.event import GrowthEvent
from growsearch.growth.new_unit_settings import NewUnitSettings
from growsearch.growth.policy import Policy, Spec, require_declared
from growsearch.growth.progress import Progress
from growsearch.growth.refusals import refused_beforehand, refused_now, warn_of, why_none_grows
from growsearch.growth.reporting import Report, on_terminal, silent
from growsearch.growth.step import Growing, failing_sites, install, refused_event
from growsearch.growth.trainable import trainable_parameters
from growsearch.growth.unit_ages import UnitAges
from growsearch.growth.update_factors import UpdateFactors, scale_updates
from growsearch.surgery import (
    Insertion,
    active_parameters,
    apply_edits,
    apply_masks,
    changed_attributes,
    masks_of,
    optimizers_of,
    rename,
    watch_steps,
)


class Grower:
    """Grows a model while it trains: call `step()` after every optimizer step.

    Args:
        model: the module itself; it is changed in place and stays a plain module.
        optimizer: one or several, whose state follows; the objects stay, so schedulers stay valid.
        example_inputs: a tensor or a tuple of arguments (two or more samples, so that train mode can be checked).
        objective: `objective(model, batch) -> loss`, for statistics and for the measured change of the loss.
        batches: an iterable of training batches; every event takes the first `statistics_batches` of a new iterator,
            or as many as its strategies need, and one more to measure the gradients of new units on.
        when, where, how: a strategy's name, `{name: {parameter: value}}`, or a strategy.
        budget: `{"width": m}` (multiple of the seed's widths), `{"units": n}` (added in all), `{"parameters": n}` or
            `{"flops": n}` (of the whole network). A list instead of a number holds one limit for each event.
        amount: share of its seed width that every site gains in one event; None spreads what the budget leaves evenly
            over the scheduler's remaining events, or takes 0.25 where their number is not known.
        sites: patterns (as in shells) of the sites that may change; None: all that preserve the function. Streams under
            layer or RMS normalisation, and sites whose growth changes the function, only where named in full.
        companions: modules of the same architecture that follow, such as an EMA copy.
        new_units: how long new units are spared, and how fast they learn meanwhile.
        seed: of the growth's own random numbers.
        total_steps, steps_per_epoch: of the training, for schedulers that need them.
        report: called as `report(done, total, what)` by strategies that work for long; by default a line on a terminal,
            nothing elsewhere. None: never.

    Raises `InputError` where the policy, the budget or the patterns do not fit.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer | Sequence[Optimizer] | None,
        example_inputs: Any,
        *,
        objective: Callable[[nn.Module, Any], Tensor] | None = None,
        batches: Iterable[Any] | None = None,
        when: Spec,
        where: Spec = "uniform",
        how: Spec = "zero",
        budget: Mapping[str, float | Sequence[float]] | Budget | None = None,
        amount: float | None = None,
        sites: Sequence[str] | None = None,
        companions: Sequence[nn.Module] = (),
        statistics_batches: int = 1,
        new_units: NewUnitSettings | None = None,
        seed: int = 0,
        total_steps: int | None = None,
        steps_per_epoch: int | None = None,
        report: Report | None = on_terminal,
    ) -> None:
        self.policy = Policy.of(when, where, how)
        self.graph: NetworkGraph = trace(model, example_inputs)
        self.progress = Progress(total_steps=total_steps, steps_per_epoch=steps_per_epoch)
        self.insertions: list[Insertion] = []
        self.left_out: dict[str, str] = {}
        """Sites that growing leaves out since they failed a check or were refused, with the reason."""
        self.attributes: dict[str, float] = {}
        """The numbers of heads, the eps of norms and the like that growing changed, by module path and name."""
        self.seconds = 0.0
        """Spent on growing and on looking whether to grow, by this object."""
        self.flops = 0
        """Computed meanwhile: every forward and backward pass of statistics, candidates and checks."""
        self._growing = Growing(model, example_inputs, optimizer, companions, objective)
        watch_steps(optimizers_of(optimizer))
        self._batches, self._statistics_batches = batches, statistics_batches
        self._budget = Budget.of(budget)
        if self._budget is not None and Removal not in self.policy.where.takes:
            self._budget.check_seed(self.graph.parameters, self.graph.flops)
        if amount is not None and not amount > 0:
            raise InputError(f"amount: {amount} must be above 0, a share of the seed width (null: spread the budget)")
        self._amount = amount
        self._report = report or silent
        self._patterns = sites
        self._seed = seed
        self.generator = torch.Generator().manual_seed(seed)
        """The growth's own source of random numbers."""
        self._seed_units = {name: site.units for name, site in self.graph.sites.items()}
        self._added = 0
        self._state: dict[str, Any] = {}
        self._check_growable()
        if not self.policy.how.deepens():  # what is refused whatever the data is known before anyone trains
            trainable = trainable_parameters(model, optimizer)
            self.left_out |= refused_beforehand(self.policy.how, model, self.graph, self._sites(), trainable)
            warn_of(self.left_out)
        self._new_units = new_units or NewUnitSettings()
        self._ages, self._births = UnitAges(self.graph), Births()
        scale_updates(UpdateFactors(self._new_units, self._births, self.progress), model, optimizers_of(optimizer))
        if Rewiring in self.policy.where.takes and not masks_of(model):  # a network that has masks goes on with them
            apply_edits(model, self.policy.how.seed_edits(model, self._sites(), self.generator), optimizer, companions)

    def step(self) -> GrowthEvent | None:
        """Count one optimizer step, and grow if it is time; the event, or None.

        An event that fails its checks is rolled back and returned with the reason in `refused`. Raises `GrowthRefused`
        where the policy cannot grow this network at all.
        """
        self.progress.advance(self.graph.flops)
        apply_masks(self._growing.model, self._growing.optimizer)
        if self.progress.exhausted:
            return None
        watches = self.policy.when.watches(self.progress)
        if not watches and not self.policy.when.due(self.progress):
            return None
        wait_for_device(self._growing.model)
        started = time.perf_counter()
        meter = FlopMeter()
        try:
            with full_precision(), meter:
                context = self.context()
                if watches:
                    self.progress.report(self.policy.when.look(context))
                    if not self.policy.when.due(self.progress):
                        return None
                event = self._grow(context, started)
        except GrowthFailed as error:
            event = refused_event(self.graph, self.policy.names, self.progress.step, str(error), started)
        finally:
            self.seconds += time.perf_counter() - started
            self.flops += meter.flops
        if event is None:
            return None
        warn_of(event.left_out)
        return replace(event, growth_flops=meter.flops)

    def report(self, **metrics: float) -> None:
        """Tell the scheduler about metrics at the current step, such as `validation_accuracy`."""
        self.progress.report(metrics)

    @property
    def companions(self) -> Sequence[nn.Module]:
        """The modules of the same architecture that follow."""
        return self._growing.companions

    @property
    def full(self) -> bool:
        """Whether the budget leaves room for no further unit; False where there is no budget."""
        return self._budget is not None and self._used_up()

    def architecture(self) -> dict[str, Any]:
        """What is needed beside a `state_dict` to rebuild the network from its seed, as plain data."""
        sizes = remembered_sizes(self._growing.model)
        return {
            "insertions": [asdict(insertion) for insertion in self.insertions],
            "attributes": dict(self.attributes),
            "sizes": sizes,
        }

    def state_dict(self) -> dict[str, Any]:
        """Plain data and tensors, loadable with `weights_only=True`."""
        return {
            "progress": self.progress.state_dict(),
            "generator": self.generator.get_state(),
            "seed_units": dict(self._seed_units),
            "added": self._added,
            "ages": self._ages.state_dict(),
            "births": self._births.state_dict(),
            "state": dict(self._state),
            "left_out": dict(self.left_out),
            **self.architecture(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue where `state_dict` was taken, around the network as it was then (and is now again)."""
        self.graph = trace(self._growing.model, self._growing.example_inputs)
        self.progress.load_state_dict(state["progress"])
        self.generator.set_state(state["generator"].cpu())
        self._seed_units = dict(state["seed_units"])
        self._added = int(state["added"])
        self._ages.load_state_dict(state["ages"])
        self._births.load_state_dict(state["births"])
        self._state = dict(state["state"])
        self.left_out = dict(state["left_out"])
        self.insertions = [Insertion(**each) for each in state["insertions"]]
        self.attributes = dict(state["attributes"])

    def _grow(self, context: GrowthContext, started: float) -> GrowthEvent | None:
        if not context.names:
            raise GrowthFailed(why_none_grows(self.graph))
        if context.allowance.empty and Removal not in context.takes:
            self.progress.exhausted = self._used_up()
            return None
        chosen: Sequence[Candidate] = ()
        try:
            chosen = self._chosen(context)
            return self._install(chosen, context, started) if chosen else None
        except (GrowthFailed, GrowthRefused) as error:
            if chosen or isinstance(error, GrowthFailed):
                failing = failing_sites(self._growing, self.graph, chosen, context.batches)
            else:
                failing = refused_now(self.policy.how, context)
            event = self._without(failing, chosen, context, started)
            if event is None:
                raise
            return event

    def _without(
        self, failing: dict[str, str], chosen: Sequence[Candidate], context: GrowthContext, started: float
    ) -> GrowthEvent | None:
        """The event of the other sites, chosen anew where all that were chosen fail; None where these fail too.

        Only a site beside which another one passes is to blame, and is left out from now on.
        """
        if not failing:
            return None
        before = self.left_out
        self.left_out = before | failing
        rest = [candidate for candidate in chosen if candidate.site not in failing]
        event = None
        try:
            with suppress(GrowthFailed, GrowthRefused):
                event = self._install(rest, context, started) if rest else self._grow(self.context(), started)
        finally:
            if event is None:
                self.left_out = before
        return event and replace(event, left_out=failing | event.left_out)

    def _install(self, chosen: Sequence[Candidate], context: GrowthContext, started: float) -> GrowthEvent:
        context.forget_statistics()
        before, names, step = self.graph, self.policy.names, self.progress.step
        model, shapes = self._growing.model, parameter_shapes(self._growing.model)
        event, self.graph = install(self._growing, before, chosen, names, step, context.batches, started, context.fresh)
        self._births.update(shapes, event.edits, model, step)
        self._account(before, chosen)
        self.attributes |= changed_attributes(event.edits)
        return event

    def _chosen(self, context: GrowthContext) -> list[Candidate]:
        plan = {name: units for name, units in self.policy.where.plan(context).items() if units > 0}
        needs = self.policy.where.needs | self.policy.how.needs
        if plan and "gradient_matrix" in needs and not context.depth_sites:
            # One pass for both strategies.
            context.triplets(plan)
        if not plan:
            return []
        proposed = self.policy.how.propose(plan, context)
        require_declared(self.policy, proposed)
        return self.policy.where.select(proposed, context)

    def _account(self, before: NetworkGraph, chosen: Sequence[Candidate]) -> None:
        self.progress.events.append(self.progress.step)
        self._added += sum(candidate.gain for candidate in chosen)
        insertions = [candidate.insertion for candidate in chosen if isinstance(candidate, NewLayer)]
        self.insertions += insertions
        # A layer behind a producer gives its site another name.
        self._seed_units = {rename(name, insertions): units for name, units in self._seed_units.items()}
        self.left_out = {rename(name, insertions): reason for name, reason in self.left_out.items()}
        self._ages.update(before, self.graph, chosen, self.progress.step)
        for name, site in self.graph.sites.items():
            self._seed_units.setdefault(name, site.units)

    def context(self) -> GrowthContext:
        """What the strategies of an event would see now; it draws the batches of one."""
        deep = self.policy.how.deepens()
        layers = {n: site for n, site in self.graph.depth_sites.items() if self._named(n) and n not in self.left_out}
        beside = self.policy.where.layers_beside_units and NewLayer in self.policy.how.made()
        layer_sites = layers if beside and not deep else {}
        allowance = self._depth_allowance() if deep else self._allowance(self.policy.when.events_left(self.progress))
        strategies = (self.policy.when, self.policy.where, self.policy.how)
        needed = max(self._statistics_batches, *(each.batches() for each in strategies))
        batches = self._draw_batches(needed + 1)
        return GrowthContext(
            model=self._growing.model,
            graph=self.graph,
            sites={} if deep else self._sites(),
            depth_sites=layers if deep else {},
            layer_sites=layer_sites,
            allowance=replace(allowance, caps=allowance.caps | dict.fromkeys(layer_sites, 1)),
            generator=self.generator,
            state=self._state,
            objective=self._growing.objective,
            batches=batches[:needed],
            fresh=batches[needed:],
            report=self._report,
            takes=self.policy.where.takes,
            ages=self._ages.ages(self.progress.step),
            minimum_age=self._new_units.age,
            trainable=trainable_parameters(self._growing.model, self._growing.optimizer),
        )

    def _draw_batches(self, count: int) -> list[Any]:
        """A loader that shuffles draws from torch's global generator: that must not change what training draws."""
        if self._batches is None:
            return []
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self._seed * 1_000_003 + self.progress.step)
            return list(itertools.islice(iter(self._batches), count))

    def _sites(self) -> dict[str, Site]:
        """Plain exact sites; a stream or a mixing one only where a pattern names it in full."""
        sites = self.graph.sites.items()
        return {n: site for n, site in sites if n not in self.left_out and site.takes_part(self._patterns)}

    def _named(self, name: str) -> bool:
        return self._patterns is None or any(fnmatch.fnmatchcase(name, pattern) for pattern in self._patterns)

    def _allowance(self, events_left: int | None) -> Allowance:
        sites = self._sites()
        measure = self._budget.measure if self._budget is not None else "units"
        cost = {n: float(s.flops_per_unit if measure == "flops" else s.parameters_per_unit) for n, s in sites.items()}
        now = GrowthSoFar(
            seed={name: self._seed_units[name] for name in sites},
            current={name: site.units for name, site in sites.items()},
            added=self._added,
            used={"parameters": active_parameters(self._growing.model), "flops": self.graph.flops},
            unit_cost=cost,
            events=len(self.progress.events),
            moves=Removal in self.policy.where.takes,
        )
        return allowance_for(self._budget, now, self._amount, events_left)

    def _used_up(self) -> bool:
        """Whether all that the budget leaves allows no unit; one event's part of it may be too small for one."""
        deep = self.policy.how.deepens()
        if self._budget is not None and len(self.progress.events) < len(self._budget.limits) - 1:
            return False
        return (self._depth_allowance() if deep else self._allowance(events_left=1)).empty

    def _depth_allowance(self) -> Allowance:
        """One layer an event, anywhere; a width budget does not limit depth."""
        named = (n for n in self.graph.depth_sites if self._named(n) and n not in self.left_out)
        allowed = dict.fromkeys(named, 1)
        budget = self._budget
        if budget is None or budget.measure == "width":
            return Allowance(allowed, allowed, 1)
        limit = int(budget.at(len(self.progress.events)))
        if budget.measure == "units":
            return Allowance(allowed, allowed, min(1, max(0, limit - self._added)))
        if budget.measure == "parameters":
            return Allowance(allowed, allowed, 1, parameters=limit)
        return Allowance(allowed, allowed, 1, flops=limit)

    def _check_growable(self) -> None:
        deep = self.policy.how.deepens()
        growable = [n for n in self.graph.depth_sites if self._named(n)] if deep else list(self._sites())
        if growable:
            return
        if self._patterns is not None:
            every = self.graph.depth_sites if deep else self.graph.sites
            raise InputError(f"sites {list(self._patterns)} match none of {', '.join(every) or 'none'}")
        reason = why_none_grows(self.graph)
        if not any(site.reason.startswith(LITERAL) for site in self.graph.sites.values()):
            raise GrowthRefused(reason)
        # What only a trial told is no fault of the policy: training goes on, and every event says why it is refused.
        warnings.warn(reason, GrowthWarning, stacklevel=3)
