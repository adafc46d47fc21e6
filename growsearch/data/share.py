"""Which samples of a batch a process takes, where several train one network."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Share:
    """The part of process `rank` among `size`, of samples that lie one after the other; by default all of them.

    Parts differ by a sample at most, and put together in the order of the ranks they are the whole.
    """

    rank: int = 0
    size: int = 1

    def of(self, start: int, stop: int) -> slice:
        """Return this process' part of the samples from `start` up to `stop`."""
        samples = stop - start
        return slice(start + samples * self.rank // self.size, start + samples * (self.rank + 1) // self.size)


WHOLE = Share()
