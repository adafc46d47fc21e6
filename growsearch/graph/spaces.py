"""Channel spaces: a tensor axis as a list of (block, repeat), joined by union-find and cut where borders fall.

A *block* is a run of units that can only change as one. An axis is a sequence of pieces; piece `(block, repeat)` covers
`block.size * repeat` positions, unit `u` of the block being positions `u * repeat` to `(u + 1) * repeat` of the piece.
Concatenation appends lists, flattening multiplies `repeat`, slicing cuts blocks, and axes that must agree are unified:
the work grows with the number of blocks, never with the number of channels.
"""

from __future__ import annotations

from collections.abc import Iterable


class Block:
    """A run of `size` units. `reason` says why it may not change, `mixing` which normalisation mixes its channels.

    `counted` says where the model's code counts the units, which must then follow or be worked out from the shapes.
    """

    __slots__ = ("counted", "mixing", "pieces", "reason", "size", "stopper")

    def __init__(self, size: int, reason: str = "") -> None:
        self.size = size
        self.reason = reason
        self.counted = ""
        self.mixing = ""
        self.stopper = ""
        self.pieces: list[Piece] | None = None


Piece = tuple[Block, int]
Space = tuple[Piece, ...]


class Unsupported(Exception):
    """A rule cannot follow this call: every space that enters it is frozen with this reason."""


def space(size: int, reason: str = "") -> Space:
    """A new axis of one block."""
    return ((Block(size, reason), 1),)


def resolve(pieces: Iterable[Piece]) -> list[Piece]:
    """The same positions in terms of blocks that are neither joined into others nor cut."""
    result: list[Piece] = []
    for block, repeat in pieces:
        if block.pieces is None:
            result.append((block, repeat))
            continue
        block.pieces = resolve(block.pieces)  # path compression
        result.extend((inner, repeat * factor) for inner, factor in block.pieces)
    return result


def width(pieces: Iterable[Piece]) -> int:
    """Number of positions."""
    return sum(block.size * repeat for block, repeat in pieces)


def is_frozen(pieces: Iterable[Piece]) -> bool:
    """Whether no part of the axis may change."""
    return all(block.reason for block, _ in resolve(pieces))


def freeze(pieces: Iterable[Piece], reason: str, stopper: str = "") -> None:
    """Forbid changes; the first reason stays, and the first call that stopped the space, if any."""
    for block, _ in resolve(pieces):
        block.reason, block.stopper = block.reason or reason, block.stopper or stopper


def mark_mixing(pieces: Iterable[Piece], reason: str) -> None:
    """Note that a normalisation mixes the channels."""
    for block, _ in resolve(pieces):
        block.mixing = block.mixing or reason


def mark_counted(pieces: Iterable[Piece], reason: str) -> None:
    """Note that the model's code counts the units."""
    for block, _ in resolve(pieces):
        block.counted = block.counted or reason


def unify(first: Iterable[Piece], second: Iterable[Piece]) -> None:
    """Make two axes change together; where they contradict each other, both are frozen.

    Raises:
        Unsupported: their sizes differ.
    """
    left, right = resolve(first)[::-1], resolve(second)[::-1]
    while left and right:
        (a, coarse), (b, fine) = _pop(left), _pop(right)
        if a is b and coarse == fine:
            continue
        a_pieces, b_pieces = left, right
        if coarse < fine:
            (a, coarse), (b, fine), a_pieces, b_pieces = (b, fine), (a, coarse), right, left
        factor = coarse // fine
        units = min(a.size, b.size // factor)
        if a is b or coarse % fine or not units:
            freeze([(a, 1), (b, 1), *left, *right], "it meets itself with another repetition or border")
            return
        if units < a.size:
            a, rest = _cut(a, units)
            a_pieces.append((rest, coarse))
        if units * factor < b.size:
            b, rest = _cut(b, units * factor)
            b_pieces.append((rest, fine))
        _bind(b, a, factor)
    if left or right:
        raise Unsupported("two axes of different size are said to be one")


def take(pieces: Iterable[Piece], start: int, stop: int) -> Space:
    """Positions `start` to `stop` of an axis, cutting blocks at the borders."""
    result: list[Piece] = []
    position = 0
    for block, repeat in resolve(pieces):
        size = block.size * repeat
        low, high = max(start - position, 0), min(stop - position, size)
        position += size
        if low >= high:
            continue
        if low % repeat or high % repeat:
            raise Unsupported("a border inside a repeated unit")
        low, high = low // repeat, high // repeat
        if high < block.size:
            block, _ = _cut(block, high)
        if low:
            _, block = _cut(block, low)
        result.append((block, repeat))
    return tuple(result)


def tie(pieces: Space, parts: int) -> Space:
    """Cut an axis into equal parts that must stay equal to each other (groups, chunks); returns the first of them."""
    total = width(pieces)
    if total % parts:
        raise Unsupported(f"{total} channels in {parts} parts")
    size = total // parts
    cuts = [take(pieces, index * size, (index + 1) * size) for index in range(parts)]
    for cut in cuts[1:]:
        unify(cuts[0], cut)
    return tuple(resolve(cuts[0]))


def _pop(stack: list[Piece]) -> Piece:
    """The first piece of a reversed list, in terms of blocks as they are now."""
    head, *rest = resolve([stack.pop()])
    stack.extend(reversed(rest))
    return head


def _cut(block: Block, units: int) -> tuple[Block, Block]:
    parts = Block(units), Block(block.size - units)
    for part in parts:
        part.reason, part.mixing, part.stopper = block.reason, block.mixing, block.stopper
        part.counted = block.counted
    block.pieces = [(parts[0], 1), (parts[1], 1)]
    return parts


def _bind(block: Block, target: Block, factor: int) -> None:
    """From now on `block` is `target` with every unit repeated `factor` times."""
    block.pieces = [(target, factor)]
    target.reason, target.stopper = target.reason or block.reason, target.stopper or block.stopper
    target.mixing = target.mixing or block.mixing
    target.counted = target.counted or block.counted
