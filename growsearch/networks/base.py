"""What a seed network is: a frozen pydantic model whose fields are its parameters and which builds a plain module."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from growsearch.errors import InputError

Width = Annotated[int, Field(ge=1)]


class Network(BaseModel, ABC):
    """Base of the seed networks; `summary` and `source` are shown in the docs.

    `reads_tokens`: whether a sample is a row of whole numbers below the number of outputs, and not of real numbers.
    `width` multiplies every hidden width: that is how a seed smaller than the network one wants to grow is named.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    summary: ClassVar[str]
    source: ClassVar[str]
    reads_tokens: ClassVar[bool] = False

    width: float = Field(default=1.0, gt=0, allow_inf_nan=False)

    @abstractmethod
    def build(self, input_shape: tuple[int, ...], outputs: int) -> nn.Module:
        """A freshly initialised module that maps `[N, *input_shape]` to `[N, outputs]`.

        Deterministic under `torch.manual_seed`. Raises `InputError` where the input's shape does not fit.
        """

    def initialise(self, network: nn.Module) -> None:
        """What building does to the weights after the layers have drawn theirs, for such a network of any widths."""

    def scaled(self, base: int) -> int:
        """A hidden width of the full network, times the multiplier; at least 1."""
        return scaled(base, self.width)


def scaled(base: int, width: float) -> int:
    """`base` times `width`, rounded; at least 1."""
    return max(1, round(base * width))


def image_shape(name: str, input_shape: tuple[int, ...], smallest: int = 1) -> tuple[int, int, int]:
    """`input_shape` as (channels, height, width); `InputError` where it is no image of at least `smallest` pixels."""
    if len(input_shape) != 3 or min(input_shape[1:]) < smallest:
        found = " x ".join(map(str, input_shape))
        raise InputError(
            f"network {name!r} needs images (channels x height x width) of at least {smallest} x {smallest} pixels, "
            f"but the data's inputs are {found}"
        )
    channels, height, width = input_shape
    return channels, height, width


def initialise_he(module: nn.Module, kinds: tuple[type[nn.Module], ...] = (nn.Conv2d,)) -> None:
    """Draw the weights of every layer of these kinds from N(0, 2 / fan_in) and set its bias to 0.

    Source: He et al., "Delving Deep into Rectifiers", ICCV 2015, equation 10.
    """
    for layer in module.modules():
        if isinstance(layer, kinds) and isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
