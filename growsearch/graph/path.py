"""What an operation's linear form needs to know of the path on which it lies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from torch import Tensor, nn

from growsearch.errors import GrowthRefused
from growsearch.graph.call import Call


class Path(Protocol):
    """The operations between a site's producers and its consumers, applied to virtual channels of new units."""

    model: nn.Module

    @property
    def slopes(self) -> Mapping[str, float]:
        """Slope just above 0 of every activation on the path, by the name of its call."""

    def factor(self, call: Call) -> Tensor | None:
        """What a multiplication multiplies the units by; None where that is not a constant."""

    def channel_axis(self, call: Call) -> int:
        """Axis of the call's output on which the units lie."""

    def refusal(self, call: Call) -> GrowthRefused:
        """The error for a call through which new units cannot be followed."""


PathStep = Callable[[Path, Call, list[Tensor]], Tensor]
"""What a call makes of the virtual channels that it is given, in the order of its arguments."""
