"""A grown network from its seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

from growsearch.errors import GrowsearchError
from growsearch.surgery.attributes import remember, sync_module
from growsearch.surgery.blocks import insert_blocks
from growsearch.surgery.edits import BlockInsertion, Deepening
from growsearch.surgery.insertion import check_insertions, insert
from growsearch.surgery.journal import Journal
from growsearch.surgery.masks import register_masks
from growsearch.surgery.reindex import like, memory_format
from growsearch.surgery.slots import named_tensors, slots_of

Module = TypeVar("Module", bound=nn.Module)


def rebuild(
    seed_model: Module,
    insertions: Sequence[Deepening],
    state_dict: Mapping[str, Tensor],
    attributes: Mapping[str, float] | None = None,
    sizes: Mapping[str, Sequence[int]] | None = None,
) -> Module:
    """`seed_model`, changed in place into the grown network that gave `state_dict`, and returned.

    `insertions` are all that were made, in their order, `attributes` the numbers that changed, such as
    "blocks.0.attention.num_heads", as they were last, `sizes` by path what normalisations without tensors remember: all
    three are in `Grower.architecture()`. Every parameter and persistent buffer takes the shape that it
    has in `state_dict`, and masks of dormant connections are added; tied ones stay tied; dtype and device stay those of
    the seed. A buffer that is not persistent is not in a `state_dict` and keeps the seed's size.

    Args:
        seed_model: the network before any growth.
        insertions: inserted layers and blocks, in their order.
        state_dict: that of the grown network.
        attributes: numbers that modules keep, by path and name.
        sizes: needed where there are such normalisations.

    Raises:
        GrowsearchError: the names differ, tied tensors have different shapes, or a module cannot have these sizes. The
            seed is then as it was.
    """
    journal = Journal()
    try:
        for insertion in insertions:
            check_insertions(seed_model, [insertion])
            if isinstance(insertion, BlockInsertion):
                insert_blocks(seed_model, insertion, journal)
            else:
                insert(seed_model, insertion, journal)
        register_masks(seed_model, state_dict, journal)
        _check_names(seed_model, state_dict)
        _take_shapes(seed_model, state_dict, journal)
        for path, value in (attributes or {}).items():
            _take_number(seed_model, path, value, journal)
        for path, found in (sizes or {}).items():
            remember(seed_model.get_submodule(path), found, journal)
    except BaseException:
        journal.undo()
        raise
    seed_model.load_state_dict(state_dict)
    return seed_model


def _take_number(model: nn.Module, path: str, value: float, journal: Journal) -> None:
    owner, _, name = path.rpartition(".")
    try:
        journal.set_attribute(model.get_submodule(owner), name, value)
    except AttributeError:
        raise GrowsearchError(f"the seed has no {path!r}: rebuild from the network that was grown") from None


def _check_names(model: nn.Module, state_dict: Mapping[str, Tensor]) -> None:
    wanted = set(model.state_dict())
    missing, unexpected = sorted(wanted - set(state_dict)), sorted(set(state_dict) - wanted)
    if missing or unexpected:
        raise GrowsearchError(
            f"the state does not belong to this network with these insertions: missing {missing or 'nothing'}, "
            f"unexpected {unexpected or 'nothing'}"
        )


def _take_shapes(model: nn.Module, state_dict: Mapping[str, Tensor], journal: Journal) -> None:
    slots = slots_of([model])
    shapes: dict[int, tuple[str, torch.Size]] = {}
    modules: dict[int, nn.Module] = {}
    for name, old in named_tensors(model).items():
        if name not in state_dict:
            continue
        shape = state_dict[name].shape
        first, known = shapes.setdefault(id(old), (name, shape))
        if shape != known:
            raise GrowsearchError(
                f"{first!r} and {name!r} are one tensor but have shapes {tuple(known)}, {tuple(shape)}"
            )
        if len(shape) != old.ndim:
            raise GrowsearchError(f"{name!r} has shape {tuple(old.shape)} in the seed, {tuple(shape)} in the state")
        if shape == old.shape or first != name:
            continue
        new = like(old, torch.empty(shape, dtype=old.dtype, device=old.device, memory_format=memory_format(old)))
        for slot in slots[id(old)]:
            journal.set_item(slot.store, slot.key, new)
            modules[id(slot.module)] = slot.module
    for module in modules.values():
        sync_module(module, journal)
