"""From analysed spaces to sites: what produces and consumes each block, where it lies, what a unit costs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from math import prod

from torch import nn

from growsearch.graph.analysis import Analysis
from growsearch.graph.remembered import remembered
from growsearch.graph.rules.step import Use
from growsearch.graph.site import AxisUse, Kind, Run, Site, SizeUse
from growsearch.graph.spaces import Block, Piece, resolve

Layout = tuple[int, tuple[Run, ...], int]


@dataclass
class _Ends:
    """What is known about a block: where it starts, where it ends, and which axes it occupies."""

    label: str
    producers: list[str] = field(default_factory=list)
    consumers: list[str] = field(default_factory=list)
    axes: list[tuple[str, int]] = field(default_factory=list)


def find_sites(
    analysis: Analysis,
    aliases: dict[str, tuple[str, ...]],
    parameters: frozenset[str],
    samples: int,
    modules: Mapping[str, nn.Module],
) -> tuple[dict[str, Site], dict[str, dict[str, Layout]], dict[str, str]]:
    """All sites by name in order of their first producer, for every call the layout of the sites in its output, and
    where the model's code counts the units of a site that may grow.

    Args:
        analysis: of the runs, finished.
        aliases: names of the same tensor, by its first name.
        parameters: total number in the model.
        samples: size of the example batch.
        modules: of the model, by path.
    """
    ends = _ends(analysis)
    names = _named(ends)
    layouts, paths = _layouts(analysis, names)
    costs = _costs(analysis, set(ends), samples)
    shapes = _shapes(analysis)
    sites = {}
    for block, end in ends.items():
        kind, reason = _kind(block)
        axes = tuple(
            _axis_use(analysis, tensor, axis, block, aliases) for tensor, axis in end.axes if tensor in aliases
        )
        outputs = [use for use in analysis.producers if use.call == end.producers[0]]
        sites[names[block]] = Site(
            name=names[block],
            units=block.size,
            granularity=max(sum(repeat for inner, repeat in resolve(use.space) if inner is block) for use in outputs),
            kind=kind,
            reason=reason,
            producers=tuple(end.producers),
            consumers=tuple(end.consumers),
            path=tuple(c for c in paths[names[block]] if c not in end.producers and c not in end.consumers),
            axes=axes,
            parameters_per_unit=_parameters_per_unit(axes, shapes, parameters),
            flops_per_unit=costs(block),
            sizes=_sizes(analysis, names[block], layouts, paths[names[block]], modules),
        )
    counted = {name: block.counted for block, name in names.items() if block.counted and not block.reason}
    return sites, layouts, counted


def _ends(analysis: Analysis) -> dict[Block, _Ends]:
    """Blocks with a producer and a consumer (or a call that stops them), in order of their first producer."""
    found: dict[Block, _Ends] = {}
    for use in analysis.producers:
        for block in _blocks(use):
            end = found.setdefault(block, _Ends(use.label))
            if use.call not in end.producers:
                end.producers.append(use.call)
    for use in analysis.consumers:
        for block in _blocks(use):
            if block in found and use.call not in found[block].consumers:
                found[block].consumers.append(use.call)
    for (tensor, axis), slot in analysis.slots.items():
        for block in dict.fromkeys(block for block, _ in resolve(slot.space)):
            if block in found:
                found[block].axes.append((tensor, axis))
    for block, end in found.items():
        if not end.consumers and block.stopper:
            end.consumers.append(block.stopper)
    return {block: end for block, end in found.items() if end.consumers}


def _named(ends: dict[Block, _Ends]) -> dict[Block, str]:
    """Blocks by the path of their first producer; "[1]", "[2]" and so on for further blocks of the same producer."""
    times: dict[str, int] = defaultdict(int)
    names = {}
    for block, end in ends.items():
        number = times[end.label]
        times[end.label] += 1
        names[block] = f"{end.label}[{number}]" if number else end.label
    return names


def _blocks(use: Use) -> Iterable[Block]:
    return dict.fromkeys(block for block, _ in resolve(use.space))


def _kind(block: Block) -> tuple[Kind, str]:
    if block.reason:
        return "frozen", block.reason
    return ("mixing", block.mixing) if block.mixing else ("exact", "")


def _axis_use(analysis: Analysis, tensor: str, axis: int, block: Block, aliases: dict[str, tuple[str, ...]]) -> AxisUse:
    slot = analysis.slots[tensor, axis]
    pieces = resolve(slot.space)
    runs = tuple(run for inner, run in _runs(pieces) if inner is block)
    shared = aliases[tensor] if len(aliases[tensor]) > 1 else ()
    size = sum(b.size * repeat for b, repeat in pieces)
    return AxisUse(tensor, axis, slot.role, runs, size, shared, slot.tied)


def _runs(pieces: list[Piece]) -> Iterable[tuple[Block, Run]]:
    offset = 0
    for block, repeat in pieces:
        yield block, Run(offset, repeat)
        offset += block.size * repeat


def _layouts(analysis: Analysis, names: dict[Block, str]) -> tuple[dict[str, dict[str, Layout]], dict[str, list[str]]]:
    layouts: dict[str, dict[str, Layout]] = {}
    paths: dict[str, list[str]] = defaultdict(list)
    for call, value in analysis.values.items():
        here: dict[str, Layout] = {}
        for axis, pieces in enumerate(value.axes):
            for block, run in _runs(resolve(pieces)):
                name = names.get(block)
                if name is None:
                    continue
                known = here.get(name)
                if known is None:
                    here[name] = (axis, (run,), value.shape[axis])
                elif known[0] == axis:
                    here[name] = (axis, (*known[1], run), known[2])
        layouts[call] = here
        if analysis.calls[call].kind in ("module", "function"):
            for name in here:
                paths[name].append(call)
    return layouts, paths


def _sizes(
    analysis: Analysis,
    site: str,
    layouts: dict[str, dict[str, Layout]],
    calls: Iterable[str],
    modules: Mapping[str, nn.Module],
) -> tuple[SizeUse, ...]:
    """The normalisations without tensors among `calls`: a module, or what a module with its own forward calls."""
    found: dict[str, SizeUse] = {}
    for name in calls:
        call = analysis.calls[name]
        path = call.target if call.kind == "module" else call.scope
        sizes = remembered(modules[path])
        if sizes is None or call.shape is None or not str(call.rule).endswith("_norm"):
            continue
        axis, runs, _ = layouts[name][site]
        first = len(call.shape) - len(sizes) if call.rule == "layer_norm" else axis
        if axis >= first:
            found[path] = SizeUse(path, axis - first, sum(run.repeat for run in runs))
    return tuple(found.values())


def _shapes(analysis: Analysis) -> dict[str, tuple[int, ...]]:
    sizes: dict[str, dict[int, int]] = defaultdict(dict)
    for (tensor, axis), slot in analysis.slots.items():
        sizes[tensor][axis] = sum(block.size * repeat for block, repeat in resolve(slot.space))
    return {tensor: tuple(axes[axis] for axis in sorted(axes)) for tensor, axes in sizes.items()}


def _parameters_per_unit(
    axes: tuple[AxisUse, ...], shapes: dict[str, tuple[int, ...]], parameters: frozenset[str]
) -> int:
    """Elements that the parameters gain together when every one of their axes grows by one unit."""
    gains: dict[str, dict[int, int]] = defaultdict(dict)
    for use in axes:
        gains[use.tensor][use.axis] = sum(run.repeat for run in use.runs)
    return sum(
        prod(size + gain.get(axis, 0) for axis, size in enumerate(shapes[tensor])) - prod(shapes[tensor])
        for tensor, gain in gains.items()
        if tensor in parameters
    )


def _costs(analysis: Analysis, blocks: set[Block], samples: int) -> Callable[[Block], int]:
    """How many FLOPs a sample gains when a block grows by one unit."""
    gains: dict[Block, int] = defaultdict(int)
    for cost in analysis.costs:
        axes = [resolve(pieces) for pieces in cost.spaces]
        sizes = [sum(block.size * repeat for block, repeat in axis) for axis in axes]
        for block in {block for axis in axes for block, _ in axis} & blocks:
            more = [sum(repeat for inner, repeat in axis if inner is block) for axis in axes]
            grown = prod(size + extra for size, extra in zip(sizes, more, strict=True))
            gains[block] += cost.factor * (grown - prod(sizes))
    return lambda block: gains[block] // samples
