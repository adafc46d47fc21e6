"""`trace`: from a module and example inputs to its graph."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from typing import Any
from weakref import WeakKeyDictionary

from torch import nn

from growsearch.errors import TraceError, TraceWarning
from growsearch.graph.analysis import Analysis
from growsearch.graph.block_trials import tried_blocks
from growsearch.graph.blocks import find_block_sites
from growsearch.graph.carrying import Origin, carried
from growsearch.graph.counts import follow_counts, runs_wider
from growsearch.graph.depth import find_depth_sites
from growsearch.graph.literals import freeze_literals
from growsearch.graph.metering import unmetered
from growsearch.graph.network import NetworkGraph
from growsearch.graph.recorder import tensor_names
from growsearch.graph.rules import load_operations
from growsearch.graph.running import Runner, check_model, examples_of
from growsearch.graph.site import Site
from growsearch.graph.sites import find_sites
from growsearch.graph.streams import with_streams
from growsearch.graph.trials import Trials
from growsearch.graph.wrapping import eagerly
from growsearch.warning import warn_caller

_WARNED: WeakKeyDictionary[nn.Module, list[str]] = WeakKeyDictionary()
"""What models were warned of: a model is traced again after every growth."""


@unmetered()
@eagerly()
def trace(
    model: nn.Module, example_inputs: Any, before: NetworkGraph | None = None, origin: Origin = str
) -> NetworkGraph:
    """The graph of `model`, from running it on example inputs (without touching it, on the meta device where possible).

    `example_inputs`: a tensor, a tuple of positional arguments, a dict of keyword arguments, or a list of several such
    examples, whose runs are joined (FLOPs are those of the first). The first axis of the first tensor counts samples.
    The model runs in evaluation mode, and in training mode too where that leaves a parameter unused. Parameters that no
    run reaches stay as they are, and a `TraceWarning` names them, once for a model.

    A copy with all sites one unit wider runs as well: a site whose size is written as a number in the code is frozen.
    `before`, the graph of the same network before a growth, spares that; `origin` says by the name of a module or site
    now what it was called before, or of which it is a copy.

    Args:
        model: the network; stays as it is.
        example_inputs: what it is run on.
        before: the graph before a growth, where there was one.
        origin: of names after that growth.

    Raises `TraceError` where the model is wrapped or fails.
    """
    return _trace(model, example_inputs, before, origin)


@unmetered()
@eagerly()
def trace_units(model: nn.Module, example_inputs: Any) -> NetworkGraph:
    """As `trace`, for a growth of sites or by layers: its block sites are those that the operations alone show."""
    return _trace(model, example_inputs, blocks=False)


def _trace(
    model: nn.Module,
    example_inputs: Any,
    before: NetworkGraph | None = None,
    origin: Origin = str,
    blocks: bool = True,
) -> NetworkGraph:
    load_operations()
    graph, counted = traced(model, example_inputs)
    known = None if before is None else carried(before, graph, model, origin)
    if known is not None:
        return known
    trials = Trials(model, example_inputs, graph, traced)
    if not trials.can_copy():
        return replace(graph, sites={n: _uncounted(site, counted.get(n)) for n, site in graph.sites.items()})
    if blocks and graph.block_sites:
        if runs_wider(counted, trials, deeper=True):
            return graph
        trials.graph = tried_blocks(graph, trials)
    if not runs_wider(counted, trials):
        trials.graph = follow_counts(trials.graph, counted, trials)
        trials.graph = freeze_literals(trials.graph, trials)
    return trials.graph


def _uncounted(site: Site, reason: str | None) -> Site:
    return site if reason is None else replace(site, kind="frozen", reason=f"{reason}, and the model cannot be copied")


def traced(model: nn.Module, example_inputs: Any, own: bool = False) -> tuple[NetworkGraph, dict[str, str]]:
    """The graph as the operations alone show it, and by name the sites whose units the model's code counts.

    A model that is `own`, a copy that nobody else holds, may run itself.
    """
    check_model(model)
    examples = examples_of(example_inputs)
    runner = Runner(model, own)
    analysis = Analysis()
    names, failure = tensor_names(model), ""
    reached = runner.run(examples[0], analysis, training=False)
    flops = sum(call.flops for call in analysis.calls.values())
    for example in examples[1:]:
        reached |= runner.run(example, analysis, training=False)
    if _unreached(model, reached):
        for example in examples:
            try:
                reached |= runner.run(example, analysis, training=True)
            except TraceError as error:
                failure = f". In training mode, {error}"
    missing = _unreached(model, reached)
    for name in missing:
        owner = model.get_submodule(name.rpartition(".")[0])
        tensors = (*owner.named_parameters(recurse=False), *owner.named_buffers(recurse=False))
        analysis.freeze(name, [names[id(tensor)] for _, tensor in tensors])
    if missing:
        _warn(model, missing, failure)
    return _graph(model, analysis, flops, examples[0].samples)


def _unreached(model: nn.Module, reached: set[str]) -> list[str]:
    return [name for name, _ in model.named_parameters() if name not in reached]


def _warn(model: nn.Module, missing: list[str], failure: str) -> None:
    """Name the tensors that no run reached; not again for the same ones of the same model."""
    if _WARNED.get(model) == missing:
        return
    _WARNED[model] = missing
    named = ", ".join(repr(name) for name in missing[:5])
    more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
    warn_caller(
        f"no run reached the parameters {named}{more}: they stay as they are, and so does every axis that they share. "
        f"To grow them too, give further example inputs (a list of examples) that use them{failure}",
        TraceWarning,
    )


def _graph(model: nn.Module, analysis: Analysis, flops: int, samples: int) -> tuple[NetworkGraph, dict[str, str]]:
    analysis.settle()
    names = tensor_names(model)
    aliases: dict[str, tuple[str, ...]] = {}
    for name, tensor in chain(
        model.named_parameters(remove_duplicate=False), model.named_buffers(remove_duplicate=False)
    ):
        first = names[id(tensor)]
        aliases[first] = (*aliases.get(first, ()), name)
    parameters = dict(model.named_parameters())
    modules = dict(model.named_modules())
    sites, layouts, counted = find_sites(analysis, aliases, frozenset(parameters), samples, modules)
    sites = with_streams(sites, analysis.calls, analysis.ties, layouts, modules)
    block_sites, no_block_sites = find_block_sites(analysis, model, samples)
    graph = NetworkGraph(
        calls=analysis.calls,
        sites=sites,
        depth_sites=find_depth_sites(analysis, model),
        parameters=sum(parameter.numel() for parameter in parameters.values()),
        flops=flops // samples,
        owned=tuple(_owned(model, analysis, names)),
        layouts=layouts,
        block_sites=block_sites,
        no_block_sites=no_block_sites,
    )
    return graph, counted


def _owned(model: nn.Module, analysis: Analysis, names: dict[int, str]) -> Iterator[tuple[str, str, str]]:
    """(parameter, call, attribute) for every parameter of every called module."""
    for call in analysis.calls.values():
        if call.kind == "module":
            for attribute, parameter in model.get_submodule(call.target).named_parameters():
                yield names[id(parameter)], call.name, attribute
