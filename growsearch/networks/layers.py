"""The layers of a layer list: each a pydantic model that builds a module for the shape it meets."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator
from torch import nn

from growsearch.networks.activation import Activation, activation_module
from growsearch.networks.base import Width

Count = Annotated[int, Field(ge=0)]
Padding = Count | Literal["same"]


class Layer(BaseModel, ABC):
    """Base of the layers; `name` is the module's name, by default its kind and a number."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    name: str | None = None

    @field_validator("name")
    @classmethod
    def _usable(cls, name: str | None) -> str | None:
        if name is not None and (not name.isidentifier() or hasattr(nn.Sequential(), name)):
            raise ValueError("a name is made of letters, digits and underscores, and is no attribute of a module")
        return name

    @abstractmethod
    def module(self, shape: tuple[int, ...]) -> nn.Module:
        """A module for one sample's `shape`; `ValueError` where it does not fit."""


class SizedLayer(Layer):
    """A layer with an output size of its own: the last one of a list makes the outputs and may leave it out."""

    size_field: ClassVar[str]

    @property
    def size(self) -> int | None:
        """The output size as given."""
        size: int | None = getattr(self, self.size_field)
        return size

    def sized(self, size: int) -> SizedLayer:
        """The same layer with another output size."""
        return self.model_copy(update={self.size_field: size})

    def given_size(self) -> int:
        """The output size; `ValueError` where it is neither given nor filled in."""
        if self.size is None:
            raise ValueError(f"{self.size_field} is missing: only the last layer with a size may leave it out")
        return self.size


def _channels(shape: tuple[int, ...]) -> int:
    if len(shape) != 3:
        raise ValueError("needs a feature map (channels x height x width)")
    return shape[0]


def _pixels(padding: int | Literal["same"], kernel: int, dilation: int = 1) -> int:
    return dilation * (kernel - 1) // 2 if padding == "same" else padding


class Conv(SizedLayer):
    """2-D convolution; `padding: same` keeps the resolution at stride 1 and an odd kernel."""

    size_field: ClassVar[str] = "channels"

    channels: Width | None = None
    kernel: Width = 3
    stride: Width = 1
    padding: Padding = 0
    dilation: Width = 1
    groups: Width = 1
    bias: bool = True

    def module(self, shape: tuple[int, ...]) -> nn.Module:
        """See `Layer.module`."""
        return nn.Conv2d(
            _channels(shape),
            self.given_size(),
            self.kernel,
            stride=self.stride,
            padding=_pixels(self.padding, self.kernel, self.dilation),
            dilation=self.dilation,
            groups=self.groups,
            bias=self.bias,
        )


class DepthwiseConv(Layer):
    """2-D convolution of every channel by itself."""

    kernel: Width = 3
    stride: Width = 1
    padding: Padding = 0
    dilation: Width = 1
    bias: bool = True

    def module(self, shape: tuple[int, ...]) -> nn.Module:
        """See `Layer.module`."""
        channels = _channels(shape)
        padding = _pixels(self.padding, self.kernel, self.dilation)
        return nn.Conv2d(
            channels, channels, self.kernel, self.stride, padding, self.dilation, groups=channels, bias=self.bias
        )


class Linear(SizedLayer):
    """Linear layer on vectors, or on every token of a sequence."""

    size_field: ClassVar[str] = "features"

    features: Width | None = None
    bias: bool = True

    def module(self, shape: tuple[int, ...]) -> nn.Module:
        """See `Layer.module`."""
        if len(shape) > 2:
            raise ValueError("needs vectors: put flatten or global_average_pool before it")
        return nn.Linear(shape[-1], self.given_size(), bias=self.bias)


class BatchNorm(Layer):
    """Batch normalisation of channels or features."""

    def module(self, shape: tuple[int, ...]) -> nn.Module:
        """See `Layer.module`."""
        return nn.BatchNorm1d(shape[0]) if len(shape) == 1 else nn.BatchNorm2d(_channels(shape))


class LayerNorm(Layer):
    """Layer normalisation of vectors and tokens; of a feature map, over channels and pixels together."""

    def module(self, shape: tuple[int, ...]) -> nn.Module:
        """See `Layer.module`."""
        return nn.GroupNorm(1, shape[0]) if len(shape) == 3 else nn.LayerNorm(shape[-1])


class GroupNorm(Layer):
    """Normalisation over groups of channels."""

    groups: Width

    def module(self, shape: tuple[int, ...]) -> nn.Module:
        """See `Layer.module`."""
        return nn.GroupNorm(self.groups, shape[0])


class ActivationLayer(Layer):
    """An activation without parameters."""

    kind: ClassVar[Activation]

    def module(self, shape: tuple[int, ...]) -> nn.Module:
        """See `Layer.module`."""
        return activation_module(self.kind)


class ReLU(ActivationLayer):
    """max(x, 0)."""

    kind: ClassVar[Activation] = "relu"


class ReLUOne(ActivationLayer):
    """max(x, 0) whose derivative at 0 is 1."""

    kind: ClassVar[Activation] = "relu1"


class GELU(ActivationLayer):
    """Gaussian error linear unit."""

    kind: ClassVar[Activation] = "gelu"


class SiLU(ActivationLayer):
    """x times sigmoid(x)."""

    kind: ClassVar[Activation] = "silu"


class Tanh(ActivationLayer):
    """Hyperbolic tangent."""

    kind: ClassVar[Activation] = "tanh"


class Sigmoid(ActivationLayer):
    """Logistic function."""

    kind: ClassVar[Activation] = "sigmoid"


class LeakyReLU(Layer):
    """max(x, slope * x)."""

    slope: Annotated[float, Field(ge=0, lt=1)] = 0.01

    def module(self, shape: tuple[int, ...]) -> nn.Module:
        """See `Layer.module`."""
        return nn.LeakyReLU(self.slope)


class Dropout(Layer):
    """Zeroes each value with probability `p` while training."""

    p: Annotated[float, Field(ge=0, lt=1)] = 0.5

    def module(self, shape: tuple[int, ...]) -> nn.Module:
        """See `Layer.module`."""
        return nn.Dropout(self.p)


class Pool(Layer):
    """Pooling over windows; the stride is the kernel where it is not given."""

    kernel: Width = 2
    stride: Width | None = None
    padding: Count = 0


class MaxPool(Pool):
    """Maximum over windows."""

    def module(self, shape: tuple[int, ...]) -> nn.Module:
        """See `Layer.module`."""
        _channels(shape)
        return nn.MaxPool2d(self.kernel, self.stride, self.padding)


class AveragePool(Pool):
    """Mean over windows."""

    def module(self, shape: tuple[int, ...]) -> nn.Module:
        """See `Layer.module`."""
        _channels(shape)
        return nn.AvgPool2d(self.kernel, self.stride, self.padding)


class GlobalAveragePool(Layer):
    """Mean of every channel: a feature map becomes a vector."""

    def module(self, shape: tuple[int, ...]) -> nn.Module:
        """See `Layer.module`."""
        _channels(shape)
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())


class Flatten(Layer):
    """Everything becomes one vector."""

    def module(self, shape: tuple[int, ...]) -> nn.Module:
        """See `Layer.module`."""
        return nn.Flatten()


LAYERS: dict[str, type[Layer]] = {
    "conv": Conv,
    "depthwise_conv": DepthwiseConv,
    "linear": Linear,
    "batch_norm": BatchNorm,
    "layer_norm": LayerNorm,
    "group_norm": GroupNorm,
    "relu": ReLU,
    "relu1": ReLUOne,
    "gelu": GELU,
    "silu": SiLU,
    "tanh": Tanh,
    "sigmoid": Sigmoid,
    "leaky_relu": LeakyReLU,
    "dropout": Dropout,
    "max_pool": MaxPool,
    "average_pool": AveragePool,
    "global_average_pool": GlobalAveragePool,
    "flatten": Flatten,
}
