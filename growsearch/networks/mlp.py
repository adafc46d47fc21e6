"""Fully connected networks."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

from pydantic import Field
from torch import nn

from growsearch.networks.activation import Activation, activation_module
from growsearch.networks.base import Network, Width


class MLP(Network):
    """Linear layers with an activation between them, on flattened inputs.

    `initialisation: glorot` draws the weights from U(-a, a) with a = sqrt(6 / (fan_in + fan_out)) and sets biases to 0.
    """

    summary: ClassVar[str] = "fully connected network on flattened inputs"
    source: ClassVar[str] = "Rumelhart, Hinton and Williams, Nature 323, 1986"

    hidden: tuple[Width, ...] = Field(default=(64, 64))
    activation: Activation = "relu"
    bias: bool = True
    initialisation: Literal["torch", "glorot"] = "torch"

    def build(self, input_shape: tuple[int, ...], outputs: int) -> nn.Module:
        """See `Network.build`; any input shape."""
        sizes = [math.prod(input_shape), *map(self.scaled, self.hidden), outputs]
        layers: list[nn.Module] = [nn.Flatten()] if len(input_shape) > 1 else []
        for size_in, size_out in zip(sizes[:-2], sizes[1:-1], strict=True):
            layers += [nn.Linear(size_in, size_out, bias=self.bias), activation_module(self.activation)]
        layers.append(nn.Linear(sizes[-2], sizes[-1], bias=self.bias))
        network = nn.Sequential(*layers)
        self.initialise(network)
        return network

    def initialise(self, network: nn.Module) -> None:
        """See `Network.initialise`."""
        if self.initialisation == "glorot":
            _initialise_glorot(network)


def _initialise_glorot(network: nn.Module) -> None:
    """Glorot and Bengio, "Understanding the difficulty of training deep feedforward networks", 2010, equation 16."""
    for layer in network.modules():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
