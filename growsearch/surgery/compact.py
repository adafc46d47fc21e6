"""Units that masks have cut off, and their removal.

A unit all of whose outgoing connections are dormant does nothing. One all of whose incoming connections are dormant
gives the same value for every input: the biases of the layers that read it can take that over, unless a layer has no
bias or pads its input (where the value is not 0).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from growsearch.errors import GrowthFailed
from growsearch.graph import NetworkGraph, Role, Site, trace
from growsearch.surgery.edits import Edit, Offset, site_edits
from growsearch.surgery.masks import masks_of
from growsearch.surgery.preservation import outputs_of, relative_difference, undisturbed
from growsearch.surgery.transaction import Transaction

TOLERANCE = 1e-4
CONSTANT = 1e-6


@dataclass(frozen=True)
class DeadUnit:
    """A unit that can go; `offsets` are added to the biases that take over its constant value."""

    site: str
    unit: int
    offsets: Mapping[str, Tensor] = field(default_factory=dict)


def compact(
    model: nn.Module,
    example_inputs: Any,
    optimizer: Optimizer | Sequence[Optimizer] | None = None,
    companions: Sequence[nn.Module] = (),
) -> dict[str, int]:
    """Remove dead units from `model` in place, until there are none; how many by site.

    The outputs in evaluation mode stay the same. Every site keeps a unit. Raises `GrowthFailed`, with nothing changed,
    where the outputs for `example_inputs` would change.

    Args:
        model: changed in place.
        example_inputs: a tensor, or a tuple of arguments.
        optimizer: one or several, whose state follows.
        companions: modules of the same architecture, which follow too.
    """
    before = outputs_of(model, example_inputs, training=False)
    removed: dict[str, int] = {}
    with Transaction(model, optimizer, companions) as transaction:
        while True:
            graph = trace(model, example_inputs)
            found = dead_units(model, graph, lambda: outputs_of(model, example_inputs, training=False), modes=(False,))
            if not found:
                break
            transaction.apply(_removals(graph, found))
            for dead in found:
                removed[dead.site] = removed.get(dead.site, 0) + 1
        change = relative_difference(before, outputs_of(model, example_inputs, training=False))
        if change > TOLERANCE:
            raise GrowthFailed(f"nothing was removed: it would have changed the outputs by {change:.2g} (relative)")
    return removed


def dead_units(
    model: nn.Module, graph: NetworkGraph, run: Callable[[], object], modes: Sequence[bool] = (False, True)
) -> list[DeadUnit]:
    """The units of exact sites that can go without changing the function; all of them can go at once.

    `modes` are those in which the function must stay (True: train mode). `run` runs the model once on two or more
    examples: on them it is seen that a unit without incoming connections is constant.

    Args:
        model: a network with masks.
        graph: its graph.
        run: runs it once on two or more examples.
        modes: in which the function must stay (True: train mode).
    """
    masks = masks_of(model)
    if not masks:
        return []
    found: list[DeadUnit] = []
    inputs: list[dict[str, list[Tensor]]] | None = None
    for site in graph.sites.values():
        if not site.plain:
            continue
        silent, idle = (~_alive(site, masks, role) for role in ("in", "out"))
        own = [DeadUnit(site.name, unit) for unit in silent.nonzero().flatten().tolist()]
        constant = (idle & ~silent).nonzero().flatten().tolist()
        if constant and inputs is None:
            inputs = [_inputs_of_layers(model, run, training) for training in modes]
        for unit in constant:
            offsets = _absorbed(model, graph, site, unit, inputs or [])
            if offsets is not None:
                own.append(DeadUnit(site.name, unit, offsets))
        found += own[: site.units - 1]
    return found


def _removals(graph: NetworkGraph, dead: Sequence[DeadUnit]) -> list[Edit]:
    edits: list[Edit] = [Offset(name, value) for each in dead for name, value in each.offsets.items()]
    for name in dict.fromkeys(each.site for each in dead):
        site = graph.sites[name]
        gone = {each.unit for each in dead if each.site == name}
        edits += site_edits(site, [unit for unit in range(site.units) if unit not in gone])
    return edits


def _alive(site: Site, masks: Mapping[str, Tensor], role: Role) -> Tensor:
    """Per unit, whether any of its connections of that role is alive; a site without any is left alone."""
    uses = [use for use in site.axes if use.role == role]
    alive = torch.zeros(site.units, dtype=torch.bool)
    for use in uses:
        if use.tensor not in masks:
            return torch.ones(site.units, dtype=torch.bool)
        by_position = masks[use.tensor].movedim(use.axis, 0).flatten(1).any(1).cpu()
        for run in use.runs:
            alive |= by_position[run.span(site.units)].reshape(site.units, run.repeat).any(1)
    return alive if uses else torch.ones(site.units, dtype=torch.bool)


def _inputs_of_layers(model: nn.Module, run: Callable[[], object], training: bool) -> dict[str, list[Tensor]]:
    """What every linear and convolution layer reads, call by call."""
    seen: dict[str, list[Tensor]] = {}
    handles = []
    for name, layer in model.named_modules():
        if isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d):

            def keep(module: nn.Module, args: tuple[Any, ...], name: str = name) -> None:
                seen.setdefault(name, []).extend(arg.detach().clone() for arg in args[:1])

            handles.append(layer.register_forward_pre_hook(keep))
    try:
        with undisturbed(model), torch.no_grad():
            model.train(training)
            run()
    except ValueError:
        seen.clear()  # batch normalisation cannot train on a single value per channel
    finally:
        for handle in handles:
            handle.remove()
    return seen


def _absorbed(
    model: nn.Module, graph: NetworkGraph, site: Site, unit: int, inputs: Sequence[Mapping[str, list[Tensor]]]
) -> dict[str, Tensor] | None:
    """What the consumers' biases take over from a constant unit; None where one cannot."""
    offsets: dict[str, Tensor] = {}
    for name in site.consumers:
        target = graph.calls[name].target
        layer = model.get_submodule(target) if graph.calls[name].kind == "module" else None
        use = next((u for u in site.axes if u.role == "in" and f"{target}.weight" in (u.tensor, *u.aliases)), None)
        if not isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d) or use is None:
            return None
        found = [_offset(layer, use.positions(unit), seen.get(target, [])) for seen in inputs]
        values = [value for value in found if value is not None]
        if len(values) < len(found) or not values or any(_differ(values[0], value) for value in values[1:]):
            return None
        if not values[0].count_nonzero():
            continue
        if layer.bias is None:
            return None
        offsets[f"{target}.bias"] = values[0]
    return offsets


def _offset(layer: nn.Module, positions: list[int], reads: Sequence[Tensor]) -> Tensor | None:
    """What a layer makes of input positions that are constant; None where they, or what it makes, are not."""
    if len(reads) != 1:
        return None  # called several times, or not at all
    weight = layer.get_parameter("weight").detach()
    rows = reads[0] if isinstance(layer, nn.Linear) else reads[0].movedim(1, -1)
    own = rows[..., positions].flatten(0, -2)
    if _differ(own[:1].expand_as(own), own):
        return None
    value = own[0]
    if not value.count_nonzero():
        return weight.new_zeros(weight.shape[0])
    if isinstance(layer, nn.Linear):
        return weight[:, positions] @ value
    assert isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Conv3d)
    padded = layer.padding != "valid" and (isinstance(layer.padding, str) or any(layer.padding))
    if layer.groups > 1 or (padded and max(layer.kernel_size) > 1):
        return None
    return weight[:, positions].flatten(2).sum(2) @ value


def _differ(one: Tensor, other: Tensor) -> bool:
    return not torch.allclose(one, other, rtol=CONSTANT, atol=CONSTANT)
