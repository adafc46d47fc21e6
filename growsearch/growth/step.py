"""One growth: install candidates as a transaction, checked, measured and described."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from growsearch.errors import GrowthFailed, GrowthRefused
from growsearch.graph import NetworkGraph, trace
from growsearch.graph.wrapping import drop_compiled
from growsearch.growth.births import parameter_shapes
from growsearch.growth.candidate import Candidate, NewLayer, Removal, Rewiring, StackedBlock
from growsearch.growth.candidate_edits import planned_edits
from growsearch.growth.changed_parameters import changed_parameters
from growsearch.growth.check import both_outputs, failing_whole, output_change, require_preserved
from growsearch.growth.event import GrowthEvent
from growsearch.growth.gradient_ratio import gradient_ratios
from growsearch.growth.learning import require_learning
from growsearch.growth.objective import Objective
from growsearch.growth.recalibrate import new_channels, recalibrate
from growsearch.growth.trainable import trainable_parameters
from growsearch.surgery import (
    BlockInsertion,
    Edit,
    Insertion,
    Transaction,
    active_parameters,
    origin,
    undisturbed,
)


@dataclass(frozen=True)
class Names:
    """Names of the three strategies of an event."""

    when: str
    where: str
    how: str


@dataclass
class Growing:
    """What a growth acts on: the model, all that follows it, and the data it is checked with.

    `example_inputs` are the user's; `objective` measures the change of the loss.
    """

    model: nn.Module
    example_inputs: Any
    optimizer: Optimizer | Sequence[Optimizer] | None = None
    companions: Sequence[nn.Module] = ()
    objective: Objective | None = None


Follow = Callable[[Transaction, NetworkGraph, GrowthEvent], None]
"""`follow(transaction, graph, event)`: what has to change together with the network."""


def install(
    growing: Growing,
    graph: NetworkGraph,
    chosen: Sequence[Candidate],
    names: Names,
    step: int,
    batches: Sequence[Any] = (),
    started: float | None = None,
    fresh: Sequence[Any] = (),
    follow: Follow | None = None,
) -> tuple[GrowthEvent, NetworkGraph]:
    """Install `chosen` and return the event with the new graph.

    The outputs for the example inputs must stay the same, in train and eval mode, unless a candidate is not exact or a
    site is `mixing` (its normalisation mixes channels). Raises `GrowthFailed`, with everything rolled back, if they do
    not or if the grown network cannot run; `GrowthRefused` where an edit cannot be made.
    Gradients of new units are compared with those of the old ones on `fresh` batches, that nobody has optimised on.

    Args:
        growing: the model, and what follows it.
        graph: of the model.
        chosen: the candidates.
        names: of the strategies, for the event.
        step: of the training, for the event.
        batches: on which the change of the loss is measured.
        started: when the event began, in seconds; None: now.
        fresh: batches on which gradients are compared.
        follow: called before the growth is final; what it raises takes everything back, what it changes itself has to
            be given to `Transaction.on_rollback` first.
    """
    started = time.perf_counter() if started is None else started
    model = growing.model
    require_learning(model, graph, chosen, trainable_parameters(model, growing.optimizer))
    active, shapes = active_parameters(model), parameter_shapes(model)
    loss_before = _loss(growing, batches)
    added = Counter(c.site for c in chosen if c.adds)
    with _whole(growing) as transaction:
        grown = _apply(transaction, growing, graph, chosen, batches)
        event = GrowthEvent(
            **facts(graph, grown.graph, names, step, started),
            sites=dict(added),
            kinds={c.site: "blocks" if isinstance(c, StackedBlock) else "layers" for c in chosen if _is_deeper(c)},
            removed=dict(Counter(c.site for c in chosen if isinstance(c, Removal))),
            active_before=active,
            active_after=active_parameters(model),
            regrown=sum(len(c.edit.regrow) for c in chosen if isinstance(c, Rewiring)),
            pruned=sum(len(c.edit.prune) for c in chosen if isinstance(c, Rewiring)),
            predicted_change=None if loss_before is None else _predicted(chosen, _is_exact(graph, chosen)),
            measured_change=None if loss_before is None or grown.loss is None else grown.loss - loss_before,
            loss_before=loss_before,
            loss_after=grown.loss,
            output_change=max(grown.output_change),
            edits=tuple(grown.edits),
            changed_parameters=changed_parameters(shapes, grown.edits, model),
        )
        if follow is not None:
            follow(transaction, grown.graph, event)
    drop_compiled()
    # Once what was there before has been let go: the gradients need as much memory as the network.
    ratio = _ratios(growing, grown.graph, added, fresh)
    return replace(event, gradient_ratio=ratio, seconds=time.perf_counter() - started), grown.graph


@contextmanager
def _whole(growing: Growing) -> Iterator[Transaction]:
    """A transaction that is taken back even where an interrupt comes just before it would be final."""
    transaction = Transaction(growing.model, growing.optimizer, growing.companions)
    try:
        with transaction:
            yield transaction
    except BaseException:
        transaction.rollback()
        raise


def failing_sites(
    growing: Growing, graph: NetworkGraph, chosen: Sequence[Candidate], batches: Sequence[Any]
) -> dict[str, str]:
    """By name, why the candidates of a site do not pass the checks by themselves; nothing stays changed.

    Args:
        growing: the model, and what follows it.
        graph: of the model.
        chosen: the candidates that failed together.
        batches: on which they are checked.
    """
    found = {}
    for name in dict.fromkeys(candidate.site for candidate in chosen):
        try:
            with Transaction(growing.model, growing.optimizer, growing.companions) as transaction:
                _apply(transaction, growing, graph, [c for c in chosen if c.site == name], batches)
                transaction.rollback()
        except (GrowthFailed, GrowthRefused) as error:
            found[name] = str(error)
    return found


@dataclass(frozen=True)
class _Grown:
    """A network to which candidates were applied, and that has passed its checks."""

    graph: NetworkGraph
    edits: Sequence[Edit]
    output_change: Sequence[float]
    loss: float | None


def _apply(
    transaction: Transaction,
    growing: Growing,
    graph: NetworkGraph,
    chosen: Sequence[Candidate],
    batches: Sequence[Any],
) -> _Grown:
    model = growing.model
    edits = planned_edits(graph, chosen)
    before, new = both_outputs(model, growing.example_inputs), new_channels(model, edits)
    transaction.apply(edits)
    with failing_whole():
        insertions = [edit for edit in edits if isinstance(edit, Insertion | BlockInsertion)]
        grown = trace(model, growing.example_inputs, graph, lambda name: origin(name, insertions))
        recalibrate(model, new, growing.example_inputs, growing.objective, batches, growing.companions)
        loss = _loss(growing, batches)
        # Last, so that nothing of the event escapes the comparison.
        change = output_change(model, growing.example_inputs, before)
    if _is_exact(graph, chosen):
        require_preserved(model, growing.example_inputs, change)
    return _Grown(grown, edits, change, loss)


def _is_deeper(candidate: Candidate) -> bool:
    return isinstance(candidate, NewLayer | StackedBlock)


def _is_exact(graph: NetworkGraph, chosen: Sequence[Candidate]) -> bool:
    inside = [graph.sites[c.site] for c in chosen if not _is_deeper(c)]
    return all(c.exact for c in chosen) and all(site.kind == "exact" for site in inside)


def refused_event(graph: NetworkGraph, names: Names, step: int, reason: str, started: float) -> GrowthEvent:
    """The record of an event that was rolled back.

    Args:
        graph: of the network, as it stays.
        names: of the strategies.
        step: of the training.
        reason: why nothing was changed.
        started: when the event began, in seconds.
    """
    return GrowthEvent(
        **facts(graph, graph, names, step, started),
        sites={},
        predicted_change=None,
        measured_change=None,
        output_change=None,
        refused=reason,
    )


def facts(before: NetworkGraph, after: NetworkGraph, names: Names, step: int, started: float) -> dict[str, Any]:
    """What every event records.

    Args:
        before: the graph before the event.
        after: the graph after it.
        names: of the strategies.
        step: of the training.
        started: when the event began, in seconds.
    """
    return {
        "step": step,
        "widths": {name: site.width for name, site in after.sites.items() if site.kind != "frozen"},
        "when": names.when,
        "where": names.where,
        "how": names.how,
        "parameters_before": before.parameters,
        "parameters_after": after.parameters,
        "flops_before": before.flops,
        "flops_after": after.flops,
        "seconds": time.perf_counter() - started,
    }


def _predicted(chosen: Sequence[Candidate], exact: bool) -> float | None:
    """The sum of what the candidates predict; None where one that changes the function does not say."""
    if exact:
        return 0.0
    found = [0.0 if c.exact else c.predicted_change for c in chosen]
    return None if any(value is None for value in found) else sum(value for value in found if value is not None)


def _ratios(
    growing: Growing, graph: NetworkGraph, added: Mapping[str, int], batches: Sequence[Any]
) -> dict[str, float]:
    sites = {name: units for name, units in added.items() if name in graph.sites}
    if growing.objective is None or not batches or not sites:
        return {}
    try:
        with undisturbed(growing.model), torch.enable_grad():
            loss = growing.objective(growing.model, batches[0])
            return gradient_ratios(growing.model, graph, sites, loss)
    except Exception:  # the growth stands by now, and a measurement must not leave it half known; training fails again
        return {}


def _loss(growing: Growing, batches: Sequence[Any]) -> float | None:
    if growing.objective is None or not batches:
        return None
    with undisturbed(growing.model), torch.no_grad():
        return float(growing.objective(growing.model, batches[0]))
