"""Small networks with data, that the laws grow."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Batch = tuple[Tensor, Tensor]

OUTPUTS = 3


@dataclass(frozen=True)
class Subject:
    """A kind of network: how it is built, one input's shape, and sites with the layers that make and read their units.

    `depth_site` is a place where a layer can be inserted, `block_site` a chain of blocks that can be copied.
    """

    name: str
    build: Callable[[], nn.Module]
    input_shape: tuple[int, ...]
    sites: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]
    depth_site: str
    block_site: str = ""

    def __str__(self) -> str:
        return self.name

    def model(self, dtype: torch.dtype = torch.float32) -> nn.Module:
        """A new network, every parameter and statistic random, so that no zero hides a change."""
        torch.manual_seed(0)
        model = self.build()
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for name, tensor in model.state_dict().items():
                if name.endswith("running_var"):
                    tensor.uniform_(0.5, 2.0, generator=generator)
                elif tensor.is_floating_point():
                    tensor.add_(0.1 * torch.randn(tensor.shape, generator=generator))
        return model.to(dtype)

    def batch(self, seed: int = 0, size: int = 16, dtype: torch.dtype = torch.float32) -> Batch:
        """Inputs `[size, *input_shape]` and targets `[size, 3]`."""
        generator = torch.Generator().manual_seed(seed)
        inputs = torch.randn(size, *self.input_shape, generator=generator, dtype=dtype)
        return inputs, torch.randn(size, OUTPUTS, generator=generator, dtype=dtype)


def objective(model: nn.Module, batch: Batch) -> Tensor:
    """Mean squared error."""
    return F.mse_loss(model(batch[0]), batch[1])


class Residual(nn.Module):
    """A stem, one residual block with batch normalisation, and a pooled head: two producers share a site."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, 4, 3, padding=1)
        self.first, self.norm = nn.Conv2d(4, 5, 3, padding=1, bias=False), nn.BatchNorm2d(5)
        self.second = nn.Conv2d(5, 4, 3, padding=1)
        self.head = nn.Linear(4, OUTPUTS)

    def forward(self, images: Tensor) -> Tensor:
        """From `[N, 2, 6, 6]` to `[N, 3]`."""
        hidden = self.stem(images)
        hidden = hidden + self.second(self.norm(self.first(F.relu(hidden))).relu())
        out: Tensor = self.head(F.relu(hidden).mean((2, 3)))
        return out


class ResidualMLP(nn.Module):
    """A block of a chain: what two layers find in the normalised stream is added to it."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(6)
        self.up, self.down = nn.Linear(6, 8), nn.Linear(8, 6)

    def forward(self, stream: Tensor) -> Tensor:
        """`[N, 6]` of the same shape."""
        found: Tensor = stream + self.down(F.gelu(self.up(self.norm(stream))))
        return found


class Chain(nn.Module):
    """A stem, a chain of blocks, a head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(4, 6)
        self.blocks = nn.ModuleList([ResidualMLP() for _ in range(2)])
        self.head = nn.Linear(6, OUTPUTS)

    def forward(self, stream: Tensor) -> Tensor:
        """From `[N, 4]` to `[N, 3]`."""
        stream = self.stem(stream)
        for block in self.blocks:
            stream = block(stream)
        out: Tensor = self.head(stream)
        return out


def _mlp(activation: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        first, second, head = nn.Linear(4, 4), nn.Linear(4, 6), nn.Linear(6, OUTPUTS)
        named = {"first": first, "act1": activation(), "second": second, "act2": activation(), "head": head}
        return nn.Sequential(OrderedDict(named))

    return build


def cnn() -> nn.Sequential:
    """Two convolutions, the first with batch normalisation, flattened into a linear layer; 6 x 6 images of 2."""
    torch.manual_seed(0)
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(2, 4, 3, padding=1, bias=False),
            norm=nn.BatchNorm2d(4),
            act1=nn.ReLU(),
            conv2=nn.Conv2d(4, 4, 3, stride=2, padding=1),
            act2=nn.ReLU(),
            flatten=nn.Flatten(),
            head=nn.Linear(36, OUTPUTS),
        )
    )


_MLP_SITES = {"first": (("first",), ("second",)), "second": (("second",), ("head",))}

SUBJECTS = (
    Subject("mlp", _mlp(nn.ReLU), (4,), _MLP_SITES, "act1"),
    Subject("smooth", _mlp(nn.Tanh), (4,), _MLP_SITES, "act1"),
    Subject("cnn", cnn, (2, 6, 6), {"conv1": (("conv1",), ("conv2",)), "conv2": (("conv2",), ("head",))}, "act1"),
    Subject("residual", Residual, (2, 6, 6), {"first": (("first",), ("second",))}, "norm"),
)

CHAIN = Subject("chain", Chain, (4,), {"blocks.0.up": (("blocks.0.up",), ("blocks.0.down",))}, "stem", "blocks")
"""What strategies that copy blocks grow."""
