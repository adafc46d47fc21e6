"""`trace`: from a module and example inputs to its graph."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

from torch import nn

from growsearch.errors import TraceError
from growsearch.graph.analysis import Analysis
from growsearch.graph.depth import find_depth_sites
from growsearch.graph.network import NetworkGraph, build_networkx
from growsearch.graph.recorder import tensor_names
from growsearch.graph.running import Example, Runner, check_model, examples_of
from growsearch.graph.sites import find_sites


def trace(model: nn.Module, example_inputs: Any) -> NetworkGraph:
    """The graph of `model`, from running it on example inputs (without touching it, on the meta device where possible).

    `example_inputs`: a tensor, a tuple of positional arguments, a dict of keyword arguments, or a list of several such
    examples, whose runs are joined (FLOPs are those of the first). The first axis of the first tensor counts samples.
    The model runs in evaluation mode, and in training mode too where that leaves a parameter unused.

    Raises `TraceError` where the model is wrapped, fails, or has a parameter that no run reaches.
    """
    check_model(model)
    examples = examples_of(example_inputs)
    runner = Runner(model)
    analysis = Analysis()
    reached = runner.run(examples[0], analysis, training=False)
    flops = sum(call.flops for call in analysis.calls.values())
    for example in examples[1:]:
        reached |= runner.run(example, analysis, training=False)
    if _unreached(model, reached):
        for example in examples:
            reached |= _run_training(runner, example, analysis, model, reached)
    missing = _unreached(model, reached)
    if missing:
        raise TraceError(_message(missing))
    return _graph(model, analysis, flops, examples[0].samples)


def _run_training(
    runner: Runner, example: Example, analysis: Analysis, model: nn.Module, reached: set[str]
) -> set[str]:
    try:
        return runner.run(example, analysis, training=True)
    except TraceError as error:
        message = _message(_unreached(model, reached))
        raise TraceError(f"{message} (In training mode: {error})") from error


def _unreached(model: nn.Module, reached: set[str]) -> list[str]:
    return [name for name, _ in model.named_parameters() if name not in reached]


def _message(missing: list[str]) -> str:
    modules = list(dict.fromkeys(name.rpartition(".")[0] for name in missing))
    named = ", ".join(repr(module) if module else "the model itself" for module in modules[:5])
    more = f" and {len(modules) - 5} more" if len(modules) > 5 else ""
    return (
        f"no run reached the parameters of {named}{more} (for example {missing[0]!r}): give further example inputs "
        "(a list of examples) that use them, or remove the modules from the model"
    )


def _graph(model: nn.Module, analysis: Analysis, flops: int, samples: int) -> NetworkGraph:
    names = tensor_names(model)
    aliases: dict[str, tuple[str, ...]] = {}
    for name, tensor in chain(
        model.named_parameters(remove_duplicate=False), model.named_buffers(remove_duplicate=False)
    ):
        first = names[id(tensor)]
        aliases[first] = (*aliases.get(first, ()), name)
    parameters = dict(model.named_parameters())
    sites, layouts = find_sites(analysis, aliases, frozenset(parameters), samples, dict(model.named_modules()))
    return NetworkGraph(
        calls=analysis.calls,
        sites=sites,
        depth_sites=find_depth_sites(analysis, model),
        parameters=sum(parameter.numel() for parameter in parameters.values()),
        flops=flops // samples,
        networkx=build_networkx(analysis.calls, _owned(model, analysis, names)),
        layouts=layouts,
    )


def _owned(model: nn.Module, analysis: Analysis, names: dict[int, str]) -> Iterator[tuple[str, str, str]]:
    """(parameter, call, attribute) for every parameter of every called module."""
    for call in analysis.calls.values():
        if call.kind == "module":
            for attribute, parameter in model.get_submodule(call.target).named_parameters():
                yield names[id(parameter)], call.name, attribute
