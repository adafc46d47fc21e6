"""From edits to the tensors that change, all of it checked before anything is touched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from growsearch.errors import GrowthRefused
from growsearch.surgery.attributes import attributes_of, shapes_of
from growsearch.surgery.edits import AttributeEdit, AxisEdit, MaskEdit, Offset
from growsearch.surgery.masks import edited_mask
from growsearch.surgery.moves import moves_of, shape_after
from growsearch.surgery.slots import Slot, named_tensors, slots_of


@dataclass(frozen=True)
class TensorChange:
    """A tensor, everything that is done to it, and all places where it is replaced.

    `mask` is the weight's mask before its axes are re-indexed, None where it has none. `leader` is set on a tensor of a
    companion: the model's tensor whose new positions it takes over.
    """

    name: str
    old: Tensor
    edits: tuple[AxisEdit, ...]
    shape: tuple[int, ...]
    slots: tuple[Slot, ...]
    offset: Tensor | None = None
    mask: Tensor | None = None
    leader: Tensor | None = None


Change = AxisEdit | Offset | MaskEdit


def plan_changes(model: nn.Module, companions: Sequence[nn.Module], edits: Sequence[Change]) -> list[TensorChange]:
    """What `edits` do to the model and then to its companions.

    Raises:
        GrowthRefused: a tensor does not exist, an edit does not fit it, or something that cannot follow holds it.
    """
    slots = slots_of((model, *companions))
    changes = _changes(model, edits, slots)
    leaders = {id(change.old) for change in changes}
    for companion in companions:
        changes += _following(companion, model, changes, slots, leaders)
    for change in changes:
        _check_tensor(change)
    _check_storage((model, *companions), changes)
    _check_modules(changes)
    return changes


def plan_attributes(
    model: nn.Module, companions: Sequence[nn.Module], edits: Sequence[AttributeEdit]
) -> list[tuple[nn.Module, str, float]]:
    """(module, attribute, new value) for the model and its companions.

    Raises:
        GrowthRefused: an attribute is not what the edit says it was, or two edits disagree about it.
    """
    planned: dict[tuple[int, str], tuple[nn.Module, str, float]] = {}
    prefixes = [("", model), *((companion_prefix(companion, model), companion) for companion in companions)]
    for prefix, root in prefixes if edits else ():
        for edit in edits:
            owner = root.get_submodule((prefix + edit.module).rstrip("."))
            if getattr(owner, edit.name, None) != edit.before:
                raise GrowthRefused(
                    f"{edit.name!r} of {edit.module!r} is {getattr(owner, edit.name, None)}, not {edit.before}: trace "
                    "the model again after a change"
                )
            change = owner, edit.name, edit.after
            if planned.setdefault((id(owner), edit.name), change) != change:
                raise GrowthRefused(
                    f"two sites would change {edit.name!r} of {edit.module!r} differently: grow one of them at a time"
                )
    return list(planned.values())


def touched(changes: Sequence[TensorChange]) -> list[nn.Module]:
    """The modules that own a changed tensor, each once."""
    return list({id(slot.module): slot.module for change in changes for slot in change.slots}.values())


def _changes(model: nn.Module, edits: Sequence[Change], slots: dict[int, list[Slot]]) -> list[TensorChange]:
    tensors = named_tensors(model)
    by_tensor: dict[int, list[Change]] = {}
    for edit in edits:
        if edit.tensor not in tensors:
            raise GrowthRefused(
                f"{type(model).__name__} has no parameter or buffer {edit.tensor!r}: trace it again after a change, "
                "and give the module itself, not a wrapper of it"
            )
        by_tensor.setdefault(id(tensors[edit.tensor]), []).append(edit)
    changes = []
    for key, own in by_tensor.items():
        old = tensors[own[0].tensor]
        axes = tuple(edit for edit in own if isinstance(edit, AxisEdit))
        shape = shape_after(old.shape, moves_of(old.shape, axes))
        offset = _offset(old, [edit for edit in own if isinstance(edit, Offset)])
        mask = edited_mask(own[0].tensor, old, slots[key], [edit for edit in own if isinstance(edit, MaskEdit)])
        changes.append(TensorChange(own[0].tensor, old, axes, shape, tuple(slots[key]), offset, mask))
    return changes


def _offset(old: Tensor, offsets: Sequence[Offset]) -> Tensor | None:
    """All offsets of one tensor together."""
    for each in offsets:
        if each.value.shape != old.shape:
            raise GrowthRefused(
                f"offset of {each.tensor!r}: found shape {tuple(each.value.shape)}, the tensor has {tuple(old.shape)}"
            )
    if not offsets:
        return None
    return torch.stack([each.value.to(old) for each in offsets]).sum(0)


def _following(
    companion: nn.Module,
    model: nn.Module,
    changes: Sequence[TensorChange],
    slots: dict[int, list[Slot]],
    leaders: set[int],
) -> list[TensorChange]:
    """The tensors of a companion under every name of a tensor that changes in the model."""
    own = named_tensors(companion)
    names: dict[int, list[str]] = {}
    for name, tensor in named_tensors(model).items():
        names.setdefault(id(tensor), []).append(name)
    prefix = companion_prefix(companion, model)
    following: dict[int, TensorChange] = {}
    for change in changes:
        if change.leader is not None:
            continue
        for name in names[id(change.old)]:
            tensor = own[prefix + name]
            if id(tensor) in leaders:
                continue  # the companion holds the model's own tensor, which is replaced in all places
            if tensor.shape != change.old.shape:
                raise GrowthRefused(
                    f"the companion's {prefix + name!r} has shape {tuple(tensor.shape)}, the model's has "
                    f"{tuple(change.old.shape)}: make the companion from the model as it is now"
                )
            following[id(tensor)] = TensorChange(
                prefix + name,
                tensor,
                change.edits,
                change.shape,
                tuple(slots[id(tensor)]),
                change.offset,
                change.mask,
                leader=change.old,
            )
    return list(following.values())


def companion_prefix(companion: nn.Module, model: nn.Module) -> str:
    """What stands before the model's names in the companion: nothing, or "module." as in an `AveragedModel`."""
    own, wanted = set(named_tensors(companion)), set(named_tensors(model))
    for prefix in ("", "module."):
        if {prefix + name for name in wanted} <= own:
            return prefix
    missing = sorted(wanted - own)[0]
    raise GrowthRefused(
        f"companion {type(companion).__name__} has no {missing!r}: it must have the model's architecture, under the "
        "same names or under the same names behind 'module.'"
    )


def _check_tensor(change: TensorChange) -> None:
    """Only plain parameters and tensors, of modules whose tensors are not made from others."""
    if type(change.old) not in (nn.Parameter, Tensor):
        raise GrowthRefused(
            f"{change.name!r} is a {type(change.old).__name__}: only plain parameters and buffers can change shape"
        )
    for slot in change.slots:
        module = slot.module
        hooks = [*module._forward_pre_hooks.values(), *module._forward_hooks.values()]
        by_hook = [hook for hook in hooks if type(hook).__module__.startswith("torch.nn.utils")]
        if parametrize.is_parametrized(module) or isinstance(module, parametrize.ParametrizationList) or by_hook:
            raise GrowthRefused(
                f"{change.name!r} belongs to a parametrised module (weight norm, spectral norm, pruning mask or the "
                "like): remove the parametrisation before growing, and apply it again afterwards"
            )


def _check_storage(models: Sequence[nn.Module], changes: Sequence[TensorChange]) -> None:
    """A tensor that is a view of memory it shares with another would silently stop sharing."""
    owners: dict[int, set[int]] = {}
    for model in models:
        for tensor in named_tensors(model).values():
            owners.setdefault(_address(tensor), set()).add(id(tensor))
    for change in changes:
        if _address(change.old) and len(owners[_address(change.old)]) > 1:
            raise GrowthRefused(
                f"{change.name!r} shares its memory with another tensor: tie by the same parameter object instead"
            )


def _address(tensor: Tensor) -> int:
    """Where a tensor's elements lie; 0 where they have no one place, as on the meta device and in sparse tensors."""
    plain = tensor.layout == torch.strided and not tensor.is_meta and not tensor.is_mkldnn
    return tensor.untyped_storage().data_ptr() if plain else 0


def _check_modules(changes: Sequence[TensorChange]) -> None:
    shapes: dict[int, dict[str, tuple[int, ...]]] = {}
    names: dict[int, str] = {}
    for change in changes:
        for slot in change.slots:
            shapes.setdefault(id(slot.module), {})[slot.key] = change.shape
            names.setdefault(id(slot.module), change.name)
    for module in touched(changes):
        try:
            attributes_of(module, shapes_of(module) | shapes[id(module)])
        except GrowthRefused as error:
            raise GrowthRefused(f"{names[id(module)]!r}: {error}") from None
