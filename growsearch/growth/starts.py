"""How a layer's weights begin: what new units take over from the layer that they join."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from growsearch.graph import AxisUse

Embedding = nn.Embedding | nn.EmbeddingBag


@dataclass(frozen=True)
class Start:
    """A distribution around 0: Gaussian of standard deviation `size`, or uniform between -`size` and `size`."""

    size: float
    gaussian: bool

    @property
    def std(self) -> float:
        """Standard deviation."""
        return self.size if self.gaussian else self.size / 3**0.5

    def draw(self, count: int, length: int, generator: torch.Generator) -> Tensor:
        """Numbers `[count, length]`."""
        if self.gaussian:
            return torch.randn(count, length, generator=generator) * self.size
        return (torch.rand(count, length, generator=generator) * 2 - 1) * self.size


def start_of(model: nn.Module, use: AxisUse) -> Start:
    """How the weight of `use` begins.

    As PyTorch makes it in its own layers and in subclasses that keep `reset_parameters`; elsewhere Gaussian with the
    standard deviation of the weight as it is, and where that is 0, by fan-in as in a linear layer.
    """
    owner = model.get_submodule(use.module)
    weight = getattr(owner, use.tensor.rpartition(".")[2]).detach()
    if isinstance(owner, Embedding):
        return Start(1.0, gaussian=True)
    if _like_linear(owner):
        return Start(default_bound(weight), gaussian=False)
    std = float(weight.double().square().mean().sqrt())
    if std > 0:
        return Start(std, gaussian=True)
    others = [axis for axis in range(weight.ndim) if axis != use.axis]
    outputs = use.axis if use.role == "out" or not others else others[0]
    return Start(float((weight.numel() // weight.shape[outputs]) ** -0.5), gaussian=False)


def typical(tensor: Tensor, axis: int) -> Tensor:
    """What stands for any unit along `axis`, which keeps size 1: the mean; of whole or truth values, the commonest."""
    if tensor.is_floating_point() or tensor.is_complex():
        return tensor.mean(axis, keepdim=True)
    return tensor.long().mode(axis, keepdim=True).values.to(tensor)


def usual_std(model: nn.Module, use: AxisUse) -> float:
    """Standard deviation of `start_of`."""
    return start_of(model, use).std


def silent_row(model: nn.Module, use: AxisUse) -> int | None:
    """The row of an embedding that stays zero, its `padding_idx`; None where there is none."""
    owner = model.get_submodule(use.module)
    return owner.padding_idx if isinstance(owner, Embedding) and use.axis == 1 else None


def default_bound(weight: Tensor) -> float:
    """Bound of the uniform distribution with which PyTorch's linear and convolution layers start: 1 / sqrt(fan in)."""
    return float(weight[0].numel() ** -0.5)


def usual_norm(weight: Tensor) -> float:
    """Norm of one output's weights as PyTorch's linear and convolution layers start: sqrt(1/3) at any size."""
    return float(weight[0].numel() ** 0.5 * default_bound(weight) / 3**0.5)


def _like_linear(owner: nn.Module) -> bool:
    """Whether a module's weight begins as torch's linear and convolution layers do."""
    kinds: tuple[type[nn.Linear] | type[_ConvNd], ...] = (nn.Linear, _ConvNd)
    return any(isinstance(owner, kind) and type(owner).reset_parameters is kind.reset_parameters for kind in kinds)
