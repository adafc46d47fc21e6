"""Block sites: runs of alike blocks, one behind the other, that can become longer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class BlockSite:
    """A run of alike blocks in the container at path `container`, each of which takes what the one before it gives.

    The blocks are the children `prefix` + `first`, `prefix` + (`first` + 1) and so on of an `nn.ModuleList` or
    `nn.Sequential`: of one class, with parameters of the same names, each called once in a run, with an output of the
    shape of its input. `parameters` and `flops` (forward, one sample) are those of each block. `outputs` are the
    parameters, named within a block, that a block is the identity without: the last ones of its residual branches.
    They are empty where there are no such parameters; `reason` says why. `name` is the container's path, with "[1]" and
    so on for its further runs.
    """

    name: str
    container: str
    prefix: str
    first: int
    parameters: tuple[int, ...]
    flops: tuple[int, ...]
    outputs: tuple[str, ...] = ()
    reason: str = ""

    @property
    def blocks(self) -> int:
        """How many blocks there are."""
        return len(self.parameters)

    def path(self, block: int) -> str:
        """Path of a block, counted from 0 in the site."""
        return f"{self.container}.{self.prefix}{self.first + block}".lstrip(".")
