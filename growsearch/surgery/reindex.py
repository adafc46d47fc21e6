"""Several edits of one tensor, applied at once.

All edits of a growth are expressed in the coordinates *before* that growth. Two sites that meet in one weight (one as
its output axis, one as its input axis) are applied one after the other; the values that the later one brings are
themselves re-indexed along the earlier axes. So where both axes are new the result is 0, and where units were
duplicated along one axis the new values of the other are copied and scaled like everything else. Shifts are treated as
new values are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from growsearch.errors import GrowthRefused
from growsearch.surgery.edits import AxisEdit
from growsearch.surgery.moves import Move, moves_of


def reindex(tensor: Tensor, edits: Sequence[AxisEdit], offset: Tensor | None = None) -> Tensor:
    """`tensor`, with `offset` added, after all of `edits`, which name it; a parameter gives a parameter.

    Keeps dtype, device, memory format, `requires_grad`, Python attributes and gradient hooks. Where two edits are new
    on different axes, their common corner is 0.

    Raises:
        GrowthRefused: an edit does not fit the tensor, or two edits re-index the same part of an axis.
    """
    with torch.no_grad():
        values = reindexed(tensor.detach(), edits, offset)
        return like(tensor, values.clone() if values.data_ptr() == tensor.data_ptr() else values)


def reindexed(tensor: Tensor, edits: Sequence[AxisEdit], offset: Tensor | None = None) -> Tensor:
    """The values of `reindex`, differentiable in the tensor, the offset, the fills and the shifts."""
    if offset is not None:
        if offset.shape != tensor.shape:
            raise GrowthRefused(f"an offset of shape {tuple(offset.shape)} does not fit shape {tuple(tensor.shape)}")
        tensor = tensor + offset.to(tensor)
    return _values(tensor, moves_of(tensor.shape, edits))


def like(old: Tensor, values: Tensor) -> Tensor:
    """`values` as what `old` is: parameter or buffer, with its `requires_grad`, attributes and gradient hooks."""
    new = nn.Parameter(values, requires_grad=old.requires_grad) if isinstance(old, nn.Parameter) else values
    if isinstance(old, nn.Parameter):
        # The dictionaries themselves are shared, so that the handles which the user holds still remove their hooks.
        new._backward_hooks = old._backward_hooks
        new._post_accumulate_grad_hooks = old._post_accumulate_grad_hooks
    new.__dict__.update(old.__dict__)
    return new


def move(tensor: Tensor, step: Move) -> Tensor:
    """`tensor` re-indexed along one axis, differentiable; the memory format is kept."""
    axis = step.axis
    new = _picked(tensor, step) if _differentiable(tensor, step.fill) else _pieced(tensor, step)
    if step.scale is not None:
        new = new * _along(tensor, axis, step.scale)
    if step.shift is not None:
        places = torch.tensor(step.shifted, device=tensor.device)
        new = new.index_add(axis, places, step.shift.to(tensor))
    return new.contiguous(memory_format=memory_format(tensor))


def _differentiable(*values: Tensor | float) -> bool:
    return torch.is_grad_enabled() and any(isinstance(value, Tensor) and value.requires_grad for value in values)


def _picked(tensor: Tensor, step: Move) -> Tensor:
    """By one index: the way back through pieces would take a tensor of zeros for each of them."""
    added = iter(range(tensor.shape[step.axis], tensor.shape[step.axis] + len(step.source)))
    index = [old if old >= 0 else next(added) for old in step.source]
    if filled := len(step.added):
        sizes = [filled if i == step.axis else length for i, length in enumerate(tensor.shape)]
        fill = step.fill.to(tensor) if isinstance(step.fill, Tensor) else tensor.new_full((), step.fill).expand(sizes)
        tensor = torch.cat([tensor, fill], step.axis)
    return tensor.index_select(step.axis, torch.tensor(index, device=tensor.device))


def _pieced(tensor: Tensor, step: Move) -> Tensor:
    """Segment by segment: an index would need a second copy of what is kept."""
    axis = step.axis
    pieces: list[Tensor] = []
    filled = 0
    for segment in step.segments:
        if segment.old >= 0:
            pieces.append(tensor.narrow(axis, segment.old, segment.length))
        elif isinstance(step.fill, Tensor):
            pieces.append(step.fill.narrow(axis, filled, segment.length).to(tensor))
            filled += segment.length
        else:
            sizes = [segment.length if i == axis else size for i, size in enumerate(tensor.shape)]
            pieces.append(tensor.new_full((), step.fill).expand(sizes))
    return torch.cat(pieces, axis)


def _along(tensor: Tensor, axis: int, numbers: Sequence[float]) -> Tensor:
    sizes = [1] * tensor.ndim
    sizes[axis] = -1
    return torch.tensor(numbers, dtype=tensor.dtype, device=tensor.device).view(sizes)


def memory_format(tensor: Tensor) -> torch.memory_format:
    """Channels-last where the strides can only mean that, else contiguous."""
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    wanted = formats.get(tensor.ndim)
    if wanted is None:
        return torch.contiguous_format
    plain = torch.empty(tensor.shape, device="meta")
    last = plain.contiguous(memory_format=wanted).stride()
    return wanted if tensor.stride() == last != plain.stride() else torch.contiguous_format


def _values(tensor: Tensor, moves: Sequence[Move]) -> Tensor:
    result = tensor
    for index, step in enumerate(moves):
        fill = step.fill
        if index and (isinstance(fill, Tensor) or fill != 0):
            fill = _along_earlier(_as_tensor(tensor, step.axis, len(step.added), fill), moves[:index])
        shift = step.shift if step.shift is None else _along_earlier(step.shift.to(tensor), moves[:index])
        result = move(result, replace(step, fill=fill, shift=shift))
    return result


def _along_earlier(values: Tensor, moves: Sequence[Move]) -> Tensor:
    """What a later axis brings, re-indexed along the axes before it; where both are new or moved there is nothing."""
    for earlier in moves:
        values = move(values, replace(earlier, fill=0.0, shift=None))
    return values


def _as_tensor(like_: Tensor, axis: int, length: int, fill: Tensor | float) -> Tensor:
    if isinstance(fill, Tensor):
        return fill.to(dtype=like_.dtype, device=like_.device)
    shape = list(like_.shape)
    shape[axis] = length
    return like_.new_full(shape, fill)
