"""What insertions do to the names of modules and tensors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from growsearch.surgery.edits import BlockInsertion, Deepening


def rename(name: str, insertions: Iterable[Deepening]) -> str:
    """What a parameter or module `name` of before is called after `insertions`, in their order.

    >>> from growsearch.surgery import BlockInsertion, Insertion
    >>> rename("features.1.weight", [Insertion("features.1", "residual", 8, 2, 3)])
    'features.1.0.weight'
    >>> rename("blocks.1.norm.weight", [BlockInsertion("blocks", "", 0, 2, copies=((0, 0),))])
    'blocks.2.norm.weight'
    """
    for insertion in insertions:
        if isinstance(insertion, BlockInsertion):
            name = _moved(name, insertion)
            continue
        path = insertion.path
        if name == path or name.startswith(f"{path}."):
            name = f"{path}.0{name[len(path) :]}"
    return name


def origin(name: str, insertions: Sequence[Deepening]) -> str | None:
    """What `name` of after `insertions` was called before, or that of which it is a copy; None for a new layer's.

    >>> from growsearch.surgery import BlockInsertion
    >>> origin("blocks.1.norm.weight", [BlockInsertion("blocks", "", 0, 2, copies=((0, 0),))])
    'blocks.0.norm.weight'
    """
    for insertion in reversed(insertions):
        if isinstance(insertion, BlockInsertion):
            name = _copied_from(name, insertion)
            continue
        path = insertion.path
        if name.startswith(f"{path}."):
            if re.match(r"\.0(?![0-9])", name[len(path) :]) is None:
                return None
            name = path + name[len(path) + 2 :]
    return name


def carried_attributes(attributes: Mapping[str, float], insertions: Iterable[Deepening]) -> dict[str, float]:
    """Numbers by module path and name, as they are called after `insertions`, with those of copied blocks."""
    found = dict(attributes)
    for insertion in insertions:
        before, found = found, {rename(name, [insertion]): value for name, value in found.items()}
        if isinstance(insertion, BlockInsertion):
            found |= {copied: value for name, value in before.items() for copied in _copies(name, insertion)}
    return found


def _copies(name: str, insertion: BlockInsertion) -> list[str]:
    """What `name`, of before, is called in the copies of its block."""
    parts = _parts(name, insertion)
    if parts is None:
        return []
    head, block, rest = parts
    copied = [place for place, found in enumerate(insertion.order()) if found == (block, True)]
    return [f"{head}{insertion.first + place}{rest}" for place in copied]


def _moved(name: str, insertion: BlockInsertion) -> str:
    parts = _parts(name, insertion)
    if parts is None:
        return name
    head, block, rest = parts
    order = insertion.order()
    moved = order.index((block, False)) if block < insertion.blocks else block + len(insertion.copies)
    return f"{head}{insertion.first + moved}{rest}"


def _copied_from(name: str, insertion: BlockInsertion) -> str:
    parts = _parts(name, insertion)
    if parts is None:
        return name
    head, block, rest = parts
    order = insertion.order()
    before = order[block][0] if block < len(order) else block - len(insertion.copies)
    return f"{head}{insertion.first + before}{rest}"


def _parts(name: str, insertion: BlockInsertion) -> tuple[str, int, str] | None:
    """What stands before a block's number, the block counted from the run's first, and what stands behind.

    None for other names, and for children before the run.
    """
    head = f"{insertion.path}.{insertion.prefix}".lstrip(".") if insertion.path else insertion.prefix
    match = re.match(rf"{re.escape(head)}(\d+)(?=[.\[]|$)", name)
    if match is None or int(match[1]) < insertion.first:
        return None
    return head, int(match[1]) - insertion.first, name[match.end() :]
