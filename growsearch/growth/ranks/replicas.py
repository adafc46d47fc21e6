"""One event for all processes: the first one grows, on the batches of all, and the others do the same edits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer

from growsearch.errors import GrowsearchError
from growsearch.graph.wrapping import drop_compiled, unwrapped
from growsearch.growth.event import GrowthEvent
from growsearch.growth.ranks.batches import joined
from growsearch.growth.ranks.channel import Channel
from growsearch.growth.ranks.wrapper import check_wrapper, rewrap
from growsearch.surgery import apply_edits


class Follower(Protocol):
    """What a `Grower` is to those that follow it."""

    seconds: float
    flops: int

    def state_dict(self) -> dict[str, Any]:
        """What the others take over."""

    def take_over(self, state: Mapping[str, Any]) -> None:
        """Go on from the first one's state."""


@dataclass(frozen=True)
class _Draw:
    """The first process asks all for so many batches."""

    count: int


@dataclass(frozen=True)
class _Raised:
    """The event has raised an error; nothing has changed."""

    error: GrowsearchError


@dataclass(frozen=True)
class _Done:
    """The event, None where nothing grew, and the grower's state behind it, with what growing has cost so far."""

    event: GrowthEvent | None
    state: dict[str, Any]
    seconds: float
    flops: int


class Replicas:
    """The processes that train one network in a `DistributedDataParallel`, each with a replica of it.

    Args:
        wrapper: of this process.
        optimizers: of this process.
        companions: of this process.
    """

    def __init__(
        self, wrapper: DistributedDataParallel, optimizers: Sequence[Optimizer], companions: Sequence[nn.Module]
    ) -> None:
        check_wrapper(wrapper)
        self.model = unwrapped(wrapper.module)
        """The network itself."""
        self._wrapper, self._optimizers, self._companions = wrapper, optimizers, companions
        self._channel = Channel(wrapper.process_group, next(self.model.parameters()).device)
        self._leading = False

    def step(
        self,
        due: bool,
        grow: Callable[[], GrowthEvent | None],
        draw: Callable[[int], list[Any]],
        grower: Follower,
    ) -> GrowthEvent | None:
        """Let the first process decide, and grow, and the others follow; the event is the same in all.

        Args:
            due: whether this process would grow now.
            grow: an event of this process.
            draw: batches of this process, by their number.
            grower: whose state follows.

        Raises:
            GrowsearchError: what the first process has raised, or that another process has ended.
        """
        if not self._channel.agreed(due):
            return None
        return self._lead(grow, grower) if self._channel.leads else self._follow(draw, grower)

    def gathered(self, own: list[Any], count: int) -> list[Any]:
        """In an event, batches of all processes, each as long as the others' together; else `own`.

        `count` are asked of everyone.
        """
        if not self._leading:
            return own
        self._channel.send(_Draw(count))
        return joined(self._channel.gather(own))

    def rewrap(self) -> None:
        """Make the wrapper anew, and give buffers and companions the first one's values; all processes have to."""
        for module in (self.model, *self._companions):
            for buffer in module.buffers():
                self._channel.copy(buffer)
        rewrap(self._wrapper)

    def _lead(self, grow: Callable[[], GrowthEvent | None], grower: Follower) -> GrowthEvent | None:
        self._leading = True
        try:
            event = grow()
        except Exception as error:
            told = GrowsearchError(f"the first process has failed: {type(error).__name__}: {error}")
            self._channel.send(_Raised(error if isinstance(error, GrowsearchError) else told))
            raise
        finally:
            self._leading = False
        self._channel.send(_Done(event, grower.state_dict(), grower.seconds, grower.flops))
        if event is not None and event.edits:
            self.rewrap()
        return event

    def _follow(self, draw: Callable[[int], list[Any]], grower: Follower) -> GrowthEvent | None:
        while isinstance(command := self._channel.receive(), _Draw):
            self._channel.gather(draw(command.count))
        if isinstance(command, _Raised):
            raise command.error
        event: GrowthEvent | None = command.event
        if event is not None and event.edits:
            apply_edits(self.model, event.edits, self._optimizers, self._companions)
            drop_compiled()
            self.rewrap()
        grower.take_over(command.state)
        grower.seconds, grower.flops = command.seconds, command.flops
        return event
