"""Which blocks are copied, and behind which blocks the copies come."""

from __future__ import annotations

from typing import Literal

Order = Literal["stack", "interleave", "middle"]


def copies(order: Order, blocks: int, added: int) -> list[tuple[int, int]]:
    """Pairs (block behind which a copy comes, block that it copies) for `added` copies in a chain of `blocks`.

    - stack: the chain from its beginning, behind its end: 1 2 3 1 2 3, or 1 2 3 1 for one;
    - interleave: every block behind itself: 1 1 2 2 3 3; where there are fewer copies than blocks, each behind the
      last of a group of blocks, as even as they can be: 1 2 2 3 4 4;
    - middle: the middle of the chain once more behind itself: 1 2 3 2 3 4, so that the chain's beginning and end
      overlap there; whole chains behind the end before that.

    >>> copies("stack", 2, 2), copies("interleave", 4, 2), copies("middle", 4, 2)
    ([(1, 0), (1, 1)], [(1, 1), (3, 3)], [(2, 1), (2, 2)])
    """
    if order == "stack":
        return [(blocks - 1, index % blocks) for index in range(added)]
    if order == "interleave":
        times = [(block + 1) * added // blocks - block * added // blocks for block in range(blocks)]
        return [(block, block) for block in range(blocks) for _ in range(times[block])]
    whole, part = divmod(added, blocks)
    first = (blocks - part) // 2
    middle = [(first + part - 1, source) for source in range(first, first + part)]
    return middle + [(blocks - 1, source) for _ in range(whole) for source in range(blocks)]
