"""One growth, now."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from growsearch.arguments import require_mapping, require_seed, require_whole
from growsearch.errors import GrowthRefused, InputError
from growsearch.graph import NetworkGraph, trace
from growsearch.graph.metering import FlopMeter
from growsearch.graph.tracing import trace_units
from growsearch.graph.wrapping import unwrapped
from growsearch.growth.allowance import Allowance
from growsearch.growth.context import GrowthContext
from growsearch.growth.device import event_conditions
from growsearch.growth.event import GrowthEvent
from growsearch.growth.given import require_data
from growsearch.growth.policy import Spec, strategy, strategy_name
from growsearch.growth.refusals import why_no_blocks
from growsearch.growth.reporting import Report, on_terminal, silent
from growsearch.growth.step import Growing, Names, install
from growsearch.growth.strategy import Initializer
from growsearch.growth.trainable import trainable_parameters
from growsearch.registry import nearest


def grow(
    model: nn.Module,
    example_inputs: Any,
    units: Mapping[str, int],
    how: Spec = "zero",
    optimizer: Optimizer | Sequence[Optimizer] | None = None,
    objective: Callable[[nn.Module, Any], Tensor] | None = None,
    batches: Iterable[Any] | None = None,
    companions: Sequence[nn.Module] = (),
    seed: int = 0,
    report: Report | None = on_terminal,
) -> GrowthEvent:
    """Grow `model` in place, once, by `units` channels at each named site (layers at depth sites,
    blocks at block sites).

    `example_inputs` is a tensor, or a tuple of arguments. `how` is a name, `{name: {parameter: value}}` or an
    initializer; those that need gradients need `objective(model, batch) -> loss` and `batches`, all of which they use.
    `companions` are modules of the same architecture that follow, such as an EMA copy. Numbers of channels are rounded
    up to a site's granularity. `report` is as in `Grower`. No batch is left to measure `gradient_ratio` on.

    Args:
        model: changed in place.
        example_inputs: a tensor, or a tuple of arguments.
        units: channels by site.
        how: the initializer.
        optimizer: one or several, whose state follows.
        objective: the loss of a batch.
        batches: for initializers that need gradients.
        companions: modules that follow.
        seed: of what is drawn.
        report: progress of long initializers.

    Raises:
        GrowthRefused: an unknown or frozen site, or something that cannot be grown; nothing was changed.
        GrowthFailed: the growth did not pass its checks and was rolled back.
    """
    require_data(objective, batches, companions)
    model = unwrapped(model)
    how = strategy(Initializer, "how", how)  # type: ignore[type-abstract]  # only used for isinstance
    graph = (trace if how.stacks() else trace_units)(model, example_inputs)
    return grow_traced(
        model, graph, example_inputs, units, how, optimizer, objective, batches, companions, seed, report
    )[0]


@event_conditions()
def grow_traced(
    model: nn.Module,
    graph: NetworkGraph,
    example_inputs: Any,
    units: Mapping[str, int],
    how: Spec = "zero",
    optimizer: Optimizer | Sequence[Optimizer] | None = None,
    objective: Callable[[nn.Module, Any], Tensor] | None = None,
    batches: Iterable[Any] | None = None,
    companions: Sequence[nn.Module] = (),
    seed: int = 0,
    report: Report | None = on_terminal,
    metered: bool = True,
) -> tuple[GrowthEvent, NetworkGraph]:
    """As `grow`, of a model whose `graph` is known; returns the graph of the grown one, too.

    Args:
        model: changed in place.
        graph: of the model.
        example_inputs: a tensor, or a tuple of arguments.
        units: channels by site.
        how: the initializer.
        optimizer: one or several, whose state follows.
        objective: the loss of a batch.
        batches: for initializers that need gradients.
        companions: modules that follow.
        seed: of what is drawn.
        report: progress of long initializers.
        metered: whether what the growth itself computes is counted, which makes small operations take longer.
    """
    initializer = strategy(Initializer, "how", how)  # type: ignore[type-abstract]  # only used for isinstance
    deep = initializer.deepens()
    stacks = initializer.stacks()
    known_sites: Mapping[str, Any] = graph.block_sites if stacks else graph.depth_sites if deep else graph.sites
    require_mapping("units", units, "{'layer1.0': 8}")
    require_seed(seed)
    if not units:
        raise InputError(f"units are empty: name what grows by how much, {', '.join(known_sites) or 'none'} can be")
    plan: dict[str, int] = {}
    for name, count in units.items():
        if name not in known_sites:
            if stacks and not known_sites:
                raise GrowthRefused(why_no_blocks(graph))
            kind = "block site" if stacks else "depth site" if deep else "site"
            raise GrowthRefused(
                f"no {kind} {name!r}{nearest(name, list(known_sites))}: there are {', '.join(known_sites) or 'none'}"
            )
        require_whole(f"units: {name!r}", count, 1)
        if not deep and graph.sites[name].kind == "frozen":
            raise GrowthRefused(f"site {name!r} is frozen: {graph.sites[name].reason}")
        plan[name] = count if deep else -(-count // graph.sites[name].granularity)
    context = GrowthContext(
        model=model,
        graph=graph,
        sites={} if deep else {name: graph.sites[name] for name in plan},
        depth_sites={name: graph.depth_sites[name] for name in plan} if deep and not stacks else {},
        block_sites={name: graph.block_sites[name] for name in plan} if stacks else {},
        allowance=Allowance(dict(plan), dict(plan), sum(plan.values())),
        generator=torch.Generator().manual_seed(seed),
        state={},
        objective=objective,
        batches=[] if batches is None else list(batches),
        trainable=trainable_parameters(model, optimizer),
        report=report or silent,
    )
    names = Names("now", "given", strategy_name("how", initializer))
    meter = FlopMeter()
    with meter if metered else nullcontext():
        chosen = initializer.propose(plan, context)
        if not chosen:
            raise GrowthRefused(f"how: {names.how} found nothing to add at {', '.join(plan)}")
        context.forget_statistics()
        growing = Growing(model, example_inputs, optimizer, companions, objective)
        event, grown = install(growing, graph, chosen, names, step=0, batches=context.batches)
    return replace(event, growth_flops=meter.flops), grown
