"""Messages between the processes of a training."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor

from growsearch.errors import GrowsearchError

Value = TypeVar("Value")


class Channel:
    """From the first process of a group to all others, and back; the same calls in the same order in all of them.

    What is not a tensor goes over the CPU, whatever the group's own backend.

    Args:
        group: the processes.
        device: of this process.
    """

    def __init__(self, group: dist.ProcessGroup, device: torch.device) -> None:
        ranks = dist.get_process_group_ranks(group)
        self._tensors, self._device, self._first = group, device, ranks[0]
        self._size = len(ranks)
        self.leads = dist.get_rank() == self._first
        """Whether this is the first process."""
        self._group = group
        if dist.get_backend(group) != "gloo":
            made = dist.new_group(ranks, backend="gloo", use_local_synchronization=True)
            self._group = cast("dist.ProcessGroup", made)

    def send(self, value: Value) -> Value:
        """The first process' value, in every process; the others' is not used."""
        if self._size == 1:
            return value
        content = io.BytesIO()
        torch.save(value, content)
        found = [content.getvalue()]
        self._with(lambda: dist.broadcast_object_list(found, src=self._first, group=self._group))
        return value if self.leads else self._loaded(found[0])

    def receive(self) -> Any:
        """What the first process sends."""
        return self.send(None)

    def agreed(self, flag: bool) -> bool:
        """What the first process says, in every process: as `send`, but quick enough for every step."""
        if self._size == 1:
            return flag
        told = torch.tensor([flag], dtype=torch.uint8)
        self._with(lambda: dist.broadcast(told, src=self._first, group=self._group))
        return bool(told)

    def everywhere(self, value: Value) -> list[Value]:
        """In every process the values of all, in the order of their ranks."""
        return self.send(self.gather(value))

    def first(self, work: Callable[[], Value]) -> Value:
        """Let the first process work, the others wait; what it returns, or the `GrowsearchError` that it raises."""
        found: tuple[Value | None, GrowsearchError | None] = None, None
        if self.leads:
            try:
                found = work(), None
            except GrowsearchError as error:
                found = None, error
        value, raised = self.send(found)
        if raised is not None:
            raise raised
        return cast("Value", value)

    def add_up(self, tensor: Tensor) -> None:
        """Give a tensor on the device the sum of its values in all processes."""
        if self._size > 1:
            self._with(lambda: dist.all_reduce(tensor, group=self._tensors))

    def gather(self, value: Value) -> list[Value]:
        """In the first process the values of all, in the order of their ranks; else only the own one."""
        if self._size == 1:
            return [value]
        content = io.BytesIO()
        torch.save(value, content)
        found: list[Any] | None = [None] * self._size if self.leads else None
        self._with(lambda: dist.gather_object(content.getvalue(), found, dst=self._first, group=self._group))
        return [value] if found is None else [self._loaded(each) for each in found]

    def copy(self, tensor: Tensor) -> None:
        """Give a tensor the values that it has in the first process."""
        self._with(lambda: dist.broadcast(tensor, src=self._first, group=self._tensors))

    def _loaded(self, content: bytes) -> Any:
        """Tensors that were on another process' GPU come to this one's."""
        return torch.load(
            io.BytesIO(content),
            map_location=self._here,
            weights_only=False,  # the other processes run this very program
        )

    def _here(self, storage: Any, place: str) -> Any:
        return storage if place == "cpu" else storage.to(device=self._device)

    def _with(self, communicate: Callable[[], object]) -> None:
        try:
            communicate()
        except RuntimeError as error:
            raise GrowsearchError(
                f"another process of this training has ended, and so does this one: {str(error).splitlines()[0]}"
            ) from error
