"""The processes that train one network: usually this one alone."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

from torch import Tensor, nn

from growsearch.data import Share

if TYPE_CHECKING:
    from growsearch.growth.ranks.channel import Channel

Value = TypeVar("Value")


class World:
    """This process alone: what several would have to agree on is known.

    The same calls come in the same order in all processes.
    """

    rank = 0
    size = 1

    @property
    def leads(self) -> bool:
        """Whether this process decides, and writes files."""
        return self.rank == 0

    @property
    def share(self) -> Share:
        """What of every batch belongs to this process."""
        return Share(self.rank, self.size)

    def wrapped(self, model: nn.Module, example: Tensor) -> nn.Module:
        """What is called in training in place of `model`, which takes batches such as `example`."""
        return model

    def normalising(self, model: nn.Module, unknown: bool) -> AbstractContextManager[object]:
        """In which `model` is called, so that batch normalisation sees the whole batch; `unknown`: it may be hidden."""
        return nullcontext()

    def first(self, work: Callable[[], Value]) -> Value:
        """What `work` returns, or raises as a `GrowsearchError`, in the first process, the only one to call it."""
        return work()

    def agreed(self, flag: bool) -> bool:
        """What the first process says."""
        return flag

    def everywhere(self, value: Value) -> list[Value]:
        """The values of all processes, in their order."""
        return [value]

    def total(self, tensor: Tensor) -> Tensor:
        """The sum over all processes, of a tensor on the device."""
        return tensor


ALONE = World()


class Ranks(World):
    """One of several processes, which torch has joined to a group.

    Args:
        rank: of this process.
        size: how many there are.
        channel: between them.
    """

    def __init__(self, rank: int, size: int, channel: Channel) -> None:
        self.rank, self.size = rank, size
        self._channel = channel

    def wrapped(self, model: nn.Module, example: Tensor) -> nn.Module:
        """See `World.wrapped`: a `DistributedDataParallel`."""
        from torch.nn.parallel import DistributedDataParallel

        from growsearch.training.compute import has_unused

        return DistributedDataParallel(model, find_unused_parameters=has_unused(model, example))

    def normalising(self, model: nn.Module, unknown: bool) -> AbstractContextManager[Any]:
        """See `World.normalising`."""
        from growsearch.training.batch_norm import GlobalBatchNorm, has_batch_norm

        return GlobalBatchNorm() if unknown or has_batch_norm(model) else nullcontext()

    def first(self, work: Callable[[], Value]) -> Value:
        """See `World.first`."""
        return self._channel.first(work)

    def agreed(self, flag: bool) -> bool:
        """See `World.agreed`."""
        return self._channel.agreed(flag)

    def everywhere(self, value: Value) -> list[Value]:
        """See `World.everywhere`."""
        return self._channel.everywhere(value)

    def total(self, tensor: Tensor) -> Tensor:
        """See `World.total`."""
        self._channel.add_up(tensor)
        return tensor
