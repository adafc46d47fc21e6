"""Numbers that modules keep of a chain of blocks: each block's place in it, and how many blocks there are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from torch import Tensor, nn

from growsearch.surgery.edits import BlockInsertion
from growsearch.surgery.journal import Journal

_PLACES = frozenset(
    ["layer_idx", "layer_index", "layer_id", "layer_number", "layer_num", "block_idx", "block_index", "block_id"]
)
"""Attributes that number a block even where there is only one, and any whole number would fit."""
_COUNTS = frozenset(["num_layers", "num_hidden_layers", "n_layer", "n_layers", "num_blocks", "n_blocks", "depth"])
_KINDS = "layer_types"


def follow_numbers(
    model: nn.Module,
    insertion: BlockInsertion,
    before: Sequence[nn.Module],
    after: Sequence[nn.Module],
    journal: Journal,
) -> None:
    """Set what the blocks say of their own place, and what those that hold them say of their number.

    A whole number that every block of the run keeps under one name, one more in each than in the block before it, is
    its place (`layer_idx`). A number of blocks is an attribute such as `num_layers` of a module that holds the
    container, or of its configuration, that says how many children the container has; a list `layer_types` of that
    length follows the blocks.

    Args:
        model: the network.
        insertion: of the blocks.
        before: the container's children before it.
        after: those of afterwards, not yet in their place.
        journal: what can undo it.
    """
    start = list(model.get_submodule(insertion.path)._modules).index(f"{insertion.prefix}{insertion.first}")
    blocks, added = before[start : start + insertion.blocks], len(insertion.copies)
    for path, name, first in _places(blocks):
        for place, child in enumerate(after[start : start + insertion.blocks + added], first):
            journal.set_attribute(child.get_submodule(path), name, place)
        for place, child in enumerate(before[start + insertion.blocks :], first + insertion.blocks):
            owner = _submodule(child, path)
            if owner is not None and getattr(owner, name, None) == place:
                journal.set_attribute(owner, name, place + added)
    order = [start + block for block, _ in insertion.order()]
    order = [*range(start), *order, *range(start + insertion.blocks, len(before))]
    for holder in _holders(model, insertion.path):
        for name, value in list(vars(holder).items()):
            if name in _COUNTS and _whole(value) and value == len(before):
                journal.set_attribute(holder, name, len(after))
            elif name == _KINDS and isinstance(value, list) and len(value) == len(before):
                journal.set_attribute(holder, name, [value[index] for index in order])


def _places(blocks: Sequence[nn.Module]) -> Iterator[tuple[str, str, int]]:
    """(path within a block, attribute, its value in the first block) of what numbers the blocks."""
    for path, module in blocks[0].named_modules():
        for name, value in vars(module).items():
            if not _whole(value) or (len(blocks) == 1 and name not in _PLACES):
                continue
            values = [getattr(_submodule(block, path), name, None) for block in blocks]
            if values == list(range(value, value + len(blocks))):
                yield path, name, value


def _holders(model: nn.Module, path: str) -> list[Any]:
    """The modules that hold a container, and the plain objects that they keep, such as a configuration; each once."""
    parents = path.split(".") if path else []
    modules = [model.get_submodule(".".join(parents[:depth])) for depth in range(len(parents) + 1)]
    objects = [value for module in modules for value in vars(module).values() if hasattr(value, "__dict__")]
    plain = [value for value in objects if not isinstance(value, nn.Module | Tensor | type)]
    return list({id(holder): holder for holder in (*modules, *plain)}.values())


def _submodule(block: nn.Module, path: str) -> nn.Module | None:
    try:
        return block.get_submodule(path)
    except AttributeError:
        return None


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
