"""Masks of dormant connections.

The mask of a weight is a boolean buffer `NAME_mask` of the module that owns `NAME`, True where a connection is alive.
The weight itself is 0 where it is dormant, so the module computes as it always does and the gradient at dormant
connections is there to be read; `apply_masks` puts them back to 0 after every step of the optimizer. A parameter
without a mask is alive everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from growsearch.errors import GrowthRefused
from growsearch.surgery.edits import AxisEdit, MaskEdit
from growsearch.surgery.journal import Journal
from growsearch.surgery.moves import Move, moves_of
from growsearch.surgery.optimizer import fills_of, optimizers_of
from growsearch.surgery.reindex import move
from growsearch.surgery.slots import Slot

SUFFIX = "_mask"


def masks_of(model: nn.Module) -> dict[str, Tensor]:
    """The masks by the names of the parameters that they belong to; tied parameters under all of their names."""
    found = {id(parameter): mask for parameter, mask in _masked(model)}
    named = model.named_parameters(remove_duplicate=False)
    return {name: found[id(parameter)] for name, parameter in named if id(parameter) in found}


def active_parameters(model: nn.Module) -> int:
    """Parameters that are not dormant: all of them where there are no masks."""
    dormant = {id(parameter): int((~mask).sum()) for parameter, mask in _masked(model)}
    return sum(parameter.numel() - dormant.get(id(parameter), 0) for parameter in model.parameters())


def apply_masks(model: nn.Module, optimizer: Optimizer | Sequence[Optimizer] | None = None) -> None:
    """Put dormant connections back to 0, and their momenta: call it after every step of the optimizer.

    Second moments are kept: they tell how large the gradient of a connection has been, should it regrow.
    """
    optimizers = optimizers_of(optimizer)
    with torch.no_grad():
        for parameter, mask in _masked(model):
            dormant = ~mask
            parameter.masked_fill_(dormant, 0.0)
            for each in optimizers:
                fills = fills_of(each)
                for key, value in each.state.get(parameter, {}).items():
                    if fills.get(key) == "zero" and isinstance(value, Tensor):
                        value.masked_fill_(dormant, 0.0)


def mask_in(slots: Sequence[Slot]) -> Tensor | None:
    """The mask of the parameter that `slots` hold."""
    return next((mask for slot in slots if (mask := _mask(slot.module, slot.key)) is not None), None)


def edited_mask(name: str, old: Tensor, slots: Sequence[Slot], edits: Sequence[MaskEdit]) -> Tensor | None:
    """The mask of a parameter after `edits` of it, as a new tensor; None where it has none and gets none.

    Raises `GrowthRefused` for a vector, a position that does not exist, and one that regrows and is pruned.

    Args:
        name: of the parameter.
        old: the parameter.
        slots: where it is held.
        edits: of its mask.
    """
    mask = mask_in(slots)
    if mask is None and not edits:
        return None
    if edits and (old.ndim < 2 or not isinstance(old, nn.Parameter)):
        raise GrowthRefused(f"{name!r} has no connections: only parameters of two or more axes can have a mask")
    mask = torch.ones_like(old, dtype=torch.bool) if mask is None else mask.clone()
    # Flat positions are those of the contiguous tensor, whatever its memory format.
    flat = mask.flatten().clone()
    touched = torch.cat([positions for edit in edits for positions in (edit.regrow, edit.prune)] or [torch.empty(0)])
    if len(touched) and not 0 <= int(touched.min()) <= int(touched.max()) < old.numel():
        raise GrowthRefused(f"mask of {name!r}: it has positions 0 to {old.numel() - 1}, found others")
    if len(torch.unique(touched)) < len(touched):
        raise GrowthRefused(f"mask of {name!r}: a connection is changed twice in one event; choose one change")
    for edit in edits:
        flat[edit.regrow.to(flat.device)] = True
        flat[edit.prune.to(flat.device)] = False
    return mask.copy_(flat.view_as(mask))


def reindexed_mask(mask: Tensor, edits: Sequence[AxisEdit]) -> Tensor:
    """A mask after its weight's `edits`: copies are as their unit is, new positions as `AxisEdit` tells."""
    moves = moves_of(mask.shape, edits)
    result = mask
    for index, step in enumerate(moves):
        fill: Tensor | float = 1.0
        if step.sparse and isinstance(step.fill, Tensor):
            fill = step.fill != 0
            for earlier in moves[:index]:
                fill = move(fill, _alive(earlier, 0.0 if earlier.sparse else 1.0))
        result = move(result, _alive(step, fill))
    return result


def place_mask(slots: Sequence[Slot], mask: Tensor, journal: Journal) -> None:
    """Make `mask` that of the parameter in `slots`: a tied one has it in one place, the first if it is new."""
    owner = next((slot for slot in slots if _mask(slot.module, slot.key) is not None), None)
    if owner is not None:
        journal.set_item(owner.module._buffers, owner.key + SUFFIX, mask)
        return
    first = slots[0]
    if hasattr(first.module, first.key + SUFFIX):
        raise GrowthRefused(f"{type(first.module).__name__} has a {first.key + SUFFIX!r} of its own: rename it")
    journal.add_item(first.module._buffers, first.key + SUFFIX, mask)


def mask_momentum(optimizers: Sequence[Optimizer], parameter: nn.Parameter, mask: Tensor) -> None:
    """Momenta of dormant connections become 0, in a state that is not shared with any other parameter."""
    for optimizer in optimizers:
        state, fills = optimizer.state.get(parameter, {}), fills_of(optimizer)
        for key, value in state.items():
            if fills.get(key) == "zero" and isinstance(value, Tensor):
                state[key] = value.masked_fill(~mask, 0.0)


def register_masks(model: nn.Module, state: Mapping[str, Tensor], journal: Journal) -> None:
    """Give `model` the masks that a state dict has, all alive, at the sizes that the model has."""
    own = set(model.state_dict())
    parameters = dict(model.named_parameters(remove_duplicate=False))
    for name, value in state.items():
        weight = name.removesuffix(SUFFIX)
        if name in own or weight == name or weight not in parameters or value.dtype != torch.bool:
            continue
        path, _, key = name.rpartition(".")
        mask = torch.ones_like(parameters[weight], dtype=torch.bool)
        journal.add_item(model.get_submodule(path)._buffers, key, mask)


def _alive(step: Move, fill: Tensor | float) -> Move:
    return replace(step, fill=fill, scale=None, shifted=(), shift=None)


def _masked(model: nn.Module) -> Iterator[tuple[nn.Parameter, Tensor]]:
    """Every parameter that has a mask, once."""
    seen: set[int] = set()
    for module in model.modules():
        for key, _ in module._buffers.items():  # TorchScript's can be gone through in no other way
            mask = _mask(module, key.removesuffix(SUFFIX)) if key.endswith(SUFFIX) else None
            parameter = module._parameters.get(key.removesuffix(SUFFIX))
            if mask is not None and parameter is not None and id(parameter) not in seen:
                seen.add(id(parameter))
                yield parameter, mask


def _mask(module: nn.Module, key: str) -> Tensor | None:
    """The mask of a module's own parameter; a buffer of the same name with other contents is none."""
    mask, parameter = module._buffers.get(key + SUFFIX), module._parameters.get(key)
    if mask is None or parameter is None or mask.dtype != torch.bool or mask.shape != parameter.shape:
        return None
    return mask
