"""Growth around a training loop."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import asdict, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from growsearch.arguments import require_again, require_numbers, require_seed, require_whole
from growsearch.errors import GrowthFailed, GrowthRefused
from growsearch.graph import NetworkGraph, trace
from growsearch.graph.metering import FlopMeter
from growsearch.graph.remembered import remembered_sizes
from growsearch.graph.wrapping import unwrapped
from growsearch.growth.births import Births, parameter_shapes
from growsearch.growth.budget import Budget
from growsearch.growth.candidate import Candidate, NewLayer, Removal, Rewiring
from growsearch.growth.context import GrowthContext
from growsearch.growth.cost import NetworkCost
from growsearch.growth.device import event_conditions, wait_for_device
from growsearch.growth.event import GrowthEvent
from growsearch.growth.given import require_counts, require_data, require_names
from growsearch.growth.ledger import Ledger
from growsearch.growth.new_unit_settings import NewUnitSettings
from growsearch.growth.policy import Policy, Spec, require_declared, require_measured, warn_of_change, warn_of_missing
from growsearch.growth.progress import Progress
from growsearch.growth.ranks import replicas_of
from growsearch.growth.refusals import refused_now, warn_of, why_no_blocks, why_none_grows
from growsearch.growth.reporting import Report, on_terminal, silent
from growsearch.growth.room import Room
from growsearch.growth.rounding import first_of
from growsearch.growth.step import Growing, failing_sites, install, refused_event
from growsearch.growth.trainable import require_followed, require_held, trainable_parameters
from growsearch.growth.unit_ages import UnitAges
from growsearch.growth.update_factors import UpdateFactors, scale_updates
from growsearch.surgery import (
    BlockInsertion,
    Deepening,
    Edit,
    Insertion,
    Transaction,
    apply_edits,
    apply_masks,
    carried_attributes,
    changed_attributes,
    deepening_of,
    masks_of,
    optimizers_of,
    watch_steps,
)


class Grower:
    """Grows a model while it trains: call `step()` after every optimizer step.

    Args:
        model: the module itself, which is changed in place and stays a plain one; or what `torch.compile` made of it,
            or a `DistributedDataParallel` around it, which is made anew after every event and stays the same object.
        optimizer: one or several, whose state follows; the objects stay, so schedulers stay valid.
        example_inputs: a tensor or a tuple of arguments (two or more samples, so that train mode can be checked).
        objective: `objective(model, batch) -> loss`, for statistics and for the measured change of the loss.
        batches: an iterable of training batches; every event takes the first `statistics_batches` of a new iterator,
            or as many as its strategies need, and one more to measure the gradients of new units on.
        when, where, how: a strategy's name, `{name: {parameter: value}}`, or a strategy.
        budget: `{"width": m}` (multiple of the seed's widths), `{"depth": m}` (of its blocks), `{"units": n}` (added
            in all), `{"blocks": n}`, `{"parameters": n}` or `{"flops": n}` (of the whole network). A list instead of a
            number holds one limit for each event.
        amount: share of its seed width that every site gains in one event; None spreads what the budget leaves evenly
            over the scheduler's remaining events, or takes 0.25 where their number is not known.
        round_to: of which the widths of sites that grow are multiples after an event, such as 64; where a unit is
            several channels, of the least common multiple. Events add whole steps, the total as near as can be to what
            they would add without; no step is begun that the budget does not cover.
        limits: by pattern (as in shells), the most channels that a site, or blocks that a chain of blocks, may have.
        sites: patterns (as in shells) of the sites that may change; None: all that preserve the function. Streams under
            layer or RMS normalisation, and sites whose growth changes the function, only where named in full.
        companions: modules of the same architecture that follow, such as an EMA copy.
        frozen: patterns (as in shells) of parameters of the sites that no optimizer trains, though they require
            gradients; all others have to be in a given optimizer. Without an optimizer nothing is asked.
        new_units: how long new units are spared, and how fast they learn meanwhile.
        seed: of the growth's own random numbers.
        total_steps, steps_per_epoch: of the training, for schedulers that need them.
        report: called as `report(done, total, what)` by strategies that work for long; by default a line on a terminal,
            nothing elsewhere. None: never.

    Raises `InputError` where the policy, the budget, the patterns or the optimizers do not fit.
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
        round_to: int = 1,
        limits: Mapping[str, int] | None = None,
        sites: Sequence[str] | None = None,
        companions: Sequence[nn.Module] = (),
        frozen: Sequence[str] = (),
        statistics_batches: int = 1,
        new_units: NewUnitSettings | None = None,
        seed: int = 0,
        total_steps: int | None = None,
        steps_per_epoch: int | None = None,
        report: Report | None = on_terminal,
    ) -> None:
        require_seed(seed)
        require_data(objective, batches, companions)
        require_again("batches", batches)
        require_whole("statistics_batches", statistics_batches, 1)
        require_counts(total_steps=total_steps, steps_per_epoch=steps_per_epoch)
        require_names(sites=sites, frozen=frozen)
        companions = [unwrapped(each) for each in companions]
        self._replicas = replicas_of(model, optimizers_of(optimizer), companions)
        model = unwrapped(model) if self._replicas is None else self._replicas.model
        self.policy = Policy.of(when, where, how)
        require_measured(self.policy, objective, batches)
        require_followed(optimizers_of(optimizer))
        self.graph: NetworkGraph = trace(model, example_inputs)
        self.progress = Progress(total_steps=total_steps, steps_per_epoch=steps_per_epoch)
        self.insertions: list[Deepening] = []
        self.attributes: dict[str, float] = {}
        """The numbers of heads, the eps of norms and the like that growing changed, by module path and name."""
        self.seconds = 0.0
        """Spent on growing and on looking whether to grow, by this object."""
        self.flops = 0  # computed meanwhile: every forward and backward pass of statistics, candidates and checks
        self._growing = Growing(model, example_inputs, optimizer, companions, objective)
        watch_steps(optimizers_of(optimizer))
        self._batches, self._statistics_batches = batches, statistics_batches
        self._room = Room(self.policy, self.graph, Budget.of(budget), amount, sites, round_to, limits)
        self._report = report or silent
        self._seed = seed
        self.generator = torch.Generator().manual_seed(seed)
        """The growth's own source of random numbers."""
        self._state: dict[str, Any] = {}
        self._room.check(self.graph)
        require_held(model, self._room.tensors(self.graph, model), optimizers_of(optimizer), frozen)
        self._room.leave_out_refused(model, self.graph, trainable_parameters(model, optimizer))
        self._new_units = new_units or NewUnitSettings()
        self._ages, self._births = UnitAges(self.graph), Births()
        scale_updates(UpdateFactors(self._new_units, self._births, self.progress), model, optimizers_of(optimizer))
        if Rewiring in self.policy.where.takes and not masks_of(model):  # a network that has masks goes on with them
            edits = self.policy.how.seed_edits(model, self._room.sites(self.graph), self.generator)
            apply_edits(model, edits, optimizer, companions)
            if self._replicas is not None:
                self._replicas.rewrap()

    def step(self) -> GrowthEvent | None:
        """Count one optimizer step, and grow if it is time; the event, or None, also where the policy chose no unit.

        An event that fails its checks is rolled back and returned with the reason in `refused`. Raises `GrowthRefused`
        where the policy cannot grow this network at all. Whatever else is raised, by an objective or an interrupt, has
        changed nothing, or comes after the growth: then `progress.events` has it, and growing goes on from there.
        In a `DistributedDataParallel` all processes have to call it; the event is the same in all of them.
        """
        self.progress.advance(self.graph.flops)
        apply_masks(self._growing.model, self._growing.optimizer)
        if self.progress.exhausted:
            return None
        watches = self.policy.when.watches(self.progress)
        due = watches or self.policy.when.due(self.progress)
        if self._replicas is not None:
            return self._replicas.step(due, lambda: self._event(watches), self._draw_own, self)
        return self._event(watches) if due else None

    def _event(self, watches: bool) -> GrowthEvent | None:
        """Grow, if what a scheduler that `watches` sees now does not say otherwise."""
        wait_for_device(self._growing.model)
        started = time.perf_counter()
        meter = FlopMeter()
        grown, drawn, known = len(self.progress.events), self.generator.get_state(), deepcopy(self._state)
        try:
            with event_conditions(), meter:
                context = self.context()
                if watches:
                    self.progress.report(self.policy.when.look(context))
                    if not self.policy.when.due(self.progress):
                        return None
                event = self._grow(context, started)
        except GrowthFailed as error:
            event = refused_event(self.graph, self.policy.names, self.progress.step, str(error), started)
        except BaseException:
            if len(self.progress.events) == grown:  # the same step again would do what this one would have done
                self.generator.set_state(drawn)
                self._state = known
            raise
        finally:
            self.seconds += time.perf_counter() - started
            self.flops += meter.flops
        if event is None:
            return None
        warn_of(event.left_out)
        return replace(event, growth_flops=meter.flops)

    def report(self, **metrics: float) -> None:
        """Tell the scheduler about metrics at the current step, such as `validation_accuracy`.

        Warns where earlier reports had never the metric by which the scheduler decides. Raises `InputError` where a
        value is no number.
        """
        require_numbers("report", metrics)
        warn_of_missing(self.policy.when.reads(), self.progress)
        self.progress.report(metrics)

    @property
    def companions(self) -> Sequence[nn.Module]:
        """The modules of the same architecture that follow."""
        return self._growing.companions

    @property
    def full(self) -> bool:
        """Whether the budget leaves room for no further unit; False where there is no budget."""
        return self._room.budget is not None and self._used_up()

    @property
    def left_out(self) -> Mapping[str, str]:
        """Sites that growing leaves out since they failed a check or were refused, with the reason."""
        return self._room.left_out

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
            "policy": asdict(self.policy.names),
            "progress": self.progress.state_dict(),
            "generator": self.generator.get_state(),
            **self._room.state_dict(),
            "ages": self._ages.state_dict(),
            "births": self._births.state_dict(),
            "state": dict(self._state),
            **self.architecture(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue where `state_dict` was taken, around the network as it was then (and is now again).

        With other strategies than those that it was taken with growth goes on by the new ones, and a warning says so.
        """
        self.take_over(state)
        if self._replicas is not None:
            self._replicas.rewrap()

    def take_over(self, state: Mapping[str, Any]) -> None:
        """As `load_state_dict`, but for the wrapper of several processes, which stays as it is."""
        warn_of_change(state.get("policy"), self.policy)
        self.graph = trace(self._growing.model, self._growing.example_inputs)
        self.progress.load_state_dict(state["progress"])
        self.generator.set_state(state["generator"].cpu())
        self._room.load_state_dict(state)
        self._ages.load_state_dict(state["ages"])
        self._births.load_state_dict(state["births"])
        self._state = dict(state["state"])
        self.insertions = [deepening_of(each) for each in state["insertions"]]
        self.attributes = dict(state["attributes"])

    def _grow(self, context: GrowthContext, started: float) -> GrowthEvent | None:
        if not context.names:
            raise GrowthFailed((why_no_blocks if self.policy.how.stacks() else why_none_grows)(self.graph))
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
        before = self._room.left_out
        self._room.left_out = before | failing
        rest = [candidate for candidate in chosen if candidate.site not in failing]
        event = None
        try:
            with suppress(GrowthFailed, GrowthRefused):
                event = self._install(rest, context, started) if rest else self._grow(self.context(), started)
        finally:
            if event is None:
                self._room.left_out = before
        return event and replace(event, left_out=failing | event.left_out)

    def _install(self, chosen: Sequence[Candidate], context: GrowthContext, started: float) -> GrowthEvent:
        context.forget_statistics()
        before, names, step = self.graph, self.policy.names, self.progress.step
        model, shapes = self._growing.model, parameter_shapes(self._growing.model)

        def follow(transaction: Transaction, graph: NetworkGraph, event: GrowthEvent) -> None:
            transaction.on_rollback(self._undo())
            self.graph = graph
            self._births.update(shapes, event.edits, model, step)
            self._account(before, chosen, event.edits)

        event, _ = install(self._growing, before, chosen, names, step, context.batches, started, context.fresh, follow)
        return event

    def _undo(self) -> Callable[[], None]:
        """What takes back all that an event changes of this object."""
        graph, insertions, attributes = self.graph, list(self.insertions), dict(self.attributes)
        events, room = list(self.progress.events), self._room.state_dict()
        ages, births = self._ages.state_dict(), self._births.state_dict()

        def undo() -> None:
            self.graph, self.insertions, self.attributes = graph, insertions, attributes
            self.progress.events = events
            self._room.load_state_dict(room)
            self._ages.load_state_dict(ages)
            self._births.load_state_dict(births)

        return undo

    def _chosen(self, context: GrowthContext) -> list[Candidate]:
        plan = {name: units for name, units in self.policy.where.plan(context).items() if units > 0}
        if not plan:
            return []
        rounding = self._room.rounding(self._growing.model, self.graph, len(self.progress.events))
        wide = plan if rounding is None else rounding.widened(plan)
        if "gradient_matrix" in self.policy.where.needs & self.policy.how.needs and context.sites:
            # One pass for both strategies; one alone asks for the sites that it needs.
            context.triplets(wide)
        proposed = self.policy.how.propose(wide, context)
        require_declared(self.policy, proposed)
        if rounding is None:
            return self.policy.where.select(proposed, context)
        chosen = self.policy.where.select(first_of(proposed, plan), context)
        ledger = Ledger(rounding.within, NetworkCost(context.model, context.graph), context.graph.flops)
        last = context.allowance.over_events and self.policy.when.events_left(self.progress) == 1
        return rounding.whole(chosen, proposed, ledger, self._state.setdefault("round_to", {}), last)

    def _account(self, before: NetworkGraph, chosen: Sequence[Candidate], edits: Sequence[Edit]) -> None:
        insertions = [edit for edit in edits if isinstance(edit, Insertion | BlockInsertion)]
        self.progress.events.append(self.progress.step)
        self.insertions += insertions
        self.attributes = carried_attributes(self.attributes | changed_attributes(edits), insertions)
        self._room.follow(self.graph, chosen, insertions)
        self._ages.update(before, self.graph, chosen, insertions, self.progress.step)

    def _used_up(self) -> bool:
        return self._room.used_up(self._growing.model, self.graph, len(self.progress.events))

    def context(self) -> GrowthContext:
        """What the strategies of an event would see now; it draws the batches of one."""
        how, room, graph = self.policy.how, self._room, self.graph
        deep, stacks = how.deepens(), how.stacks()
        beside = self.policy.where.layers_beside_units and NewLayer in how.made() and not deep
        layer_sites = room.depth_sites(graph) if beside else {}
        left = self.policy.when.events_left(self.progress)
        allowance = room.allowance(self._growing.model, graph, len(self.progress.events), left)
        strategies = (self.policy.when, self.policy.where, self.policy.how)
        needed = max(self._statistics_batches, *(each.batches() for each in strategies))
        used = needed + self.policy.where.held_out()
        batches = self._draw_batches(used + 1)
        return GrowthContext(
            model=self._growing.model,
            graph=graph,
            sites={} if deep else room.sites(graph),
            depth_sites=room.depth_sites(graph) if deep and not stacks else {},
            block_sites=room.block_sites(graph) if stacks else {},
            layer_sites=layer_sites,
            allowance=replace(allowance, caps=allowance.caps | dict.fromkeys(layer_sites, 1)),
            generator=self.generator,
            state=self._state,
            objective=self._growing.objective,
            batches=batches[:needed],
            held_out=batches[needed:used],
            fresh=batches[used:],
            optimizer=self._growing.optimizer,
            report=self._report,
            takes=self.policy.where.takes,
            ages=self._ages.ages(self.progress.step),
            minimum_age=self._new_units.age,
            trainable=trainable_parameters(self._growing.model, self._growing.optimizer),
        )

    def _draw_batches(self, count: int) -> list[Any]:
        own = self._draw_own(count)
        return own if self._replicas is None else self._replicas.gathered(own, count)

    def _draw_own(self, count: int) -> list[Any]:
        """A loader that shuffles draws from torch's global generator: that must not change what training draws."""
        if self._batches is None:
            return []
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self._seed * 1_000_003 + self.progress.step)
            return list(itertools.islice(iter(self._batches), count))
