"""Networks on which the laws are checked: small ones for every pattern, and the seed networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from growsearch.networks import build_network


@dataclass(frozen=True)
class Subject:
    """A network to grow: how to build it, its input shape, and on how many sites to check."""

    name: str
    build: Callable[[], nn.Module]
    shape: tuple[int, ...]
    sites: int = 3

    def __str__(self) -> str:
        return self.name


class Residual(nn.Module):
    """A residual stream with batch normalisation, grown at the stream and inside the block."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.inner = nn.Conv2d(6, 5, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(5)
        self.outer = nn.Conv2d(5, 6, 3, padding=1)
        self.head = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        x = F.relu(x + self.outer(F.relu(self.norm(self.inner(x)))))
        return self.head(x.mean((2, 3)))


class Branches(nn.Module):
    """Concatenated branches, a depthwise and a grouped convolution, flattened into a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.left = nn.Conv2d(3, 4, 3, padding=1)
        self.right = nn.Conv2d(3, 6, 1)
        self.depthwise = nn.Conv2d(10, 10, 3, padding=1, groups=10)
        self.mix = nn.Conv2d(10, 8, 1)
        self.grouped = nn.Conv2d(8, 8, 3, padding=1, groups=2)
        self.last = nn.Conv2d(8, 3, 1)
        self.head = nn.Linear(3 * 16, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([F.relu(self.left(x)), torch.tanh(self.right(x))], 1)
        x = F.relu(self.mix(F.relu(self.depthwise(x))))
        x = F.max_pool2d(F.relu(self.last(F.relu(self.grouped(x)))), 2)
        return self.head(x.flatten(1))


class Gated(nn.Module):
    """A unit is two channels of its producer and one of its consumer, or some of each: GLU, chunks, C2f, Res2Net."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Conv2d(3, 12, 3, padding=1)
        self.cut = nn.Conv2d(6, 8, 1)
        self.norm = nn.BatchNorm2d(8)
        self.inner = nn.Conv2d(4, 4, 3, padding=1)
        self.join = nn.Conv2d(12, 6, 1)
        self.up = nn.Linear(6, 10, bias=False)
        self.down = nn.Linear(5, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = F.glu(self.gate(x), 1)
        first, second = F.relu(self.norm(self.cut(x))).chunk(2, 1)
        x = F.relu(self.join(torch.cat([first, second, F.relu(self.inner(second) + first)], 1)))
        value, gate = self.up(x.mean((2, 3))).chunk(2, -1)
        return self.down(value * F.silu(gate))


class Decoder(nn.Module):
    """Transposed convolutions: plain, in groups, depthwise, and read by a plain one."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 6, 3, padding=1)
        self.up = nn.ConvTranspose2d(6, 8, 2, 2)
        self.norm = nn.BatchNorm2d(8)
        self.grouped = nn.ConvTranspose2d(8, 6, 3, padding=1, groups=2)
        self.depthwise = nn.ConvTranspose2d(6, 6, 3, padding=1, groups=6)
        self.last = nn.Conv2d(6, 5, 1)
        self.head = nn.ConvTranspose2d(5, 4, 2, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm(self.up(F.relu(self.first(x)))))
        x = F.relu(self.depthwise(F.relu(self.grouped(x))))
        return self.head(F.gelu(self.last(x))).mean((2, 3))


class _OwnLinear(nn.Linear):
    """A linear layer with its own forward."""

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight.to(x.dtype), self.bias)


class _Same(nn.Conv2d):
    """A convolution that pads at the end, as TensorFlow does."""

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(F.pad(x, (0, 2, 0, 2)), self.weight, self.bias, self.stride)


class _Conv1D(nn.Module):
    """A linear layer with its weight as `[in, out]`, as in GPT-2."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(inputs, outputs) * 0.2), nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        shape = (*x.shape[:-1], self.bias.shape[0])
        return torch.addmm(self.bias, x.reshape(-1, x.shape[-1]), self.weight).view(shape)


class OwnForward(nn.Module):
    """Subclasses of torch's layers with a forward of their own, another layer, and weights of no layer."""

    def __init__(self) -> None:
        super().__init__()
        self.same = _Same(3, 6, 3)
        self.linear = _OwnLinear(6, 5)
        self.transposed = _Conv1D(5, 7)
        self.free = nn.Parameter(torch.randn(6, 7))
        self.last = nn.Parameter(torch.randn(6, 4))

    def forward(self, x: Tensor) -> Tensor:
        x = F.gelu(self.transposed(F.relu(self.linear(F.relu(self.same(x)).mean((2, 3))))))
        return torch.tanh(F.linear(x, self.free)) @ self.last


class Tokens(nn.Module):
    """Embeddings, one with a padding row, one that sums bags."""

    def __init__(self) -> None:
        super().__init__()
        self.single, self.bag = nn.Embedding(7, 6, padding_idx=0), nn.EmbeddingBag(7, 5, mode="sum")
        self.middle, self.head = nn.Linear(6, 5), nn.Linear(5, 4)

    def forward(self, x: Tensor) -> Tensor:
        tokens = (x.abs() * 3).long().clamp(max=6)
        return self.head(F.relu(self.middle(self.single(tokens)).mean(1)) + self.bag(tokens))


def _mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 9), nn.Tanh(), nn.Linear(9, 4))


def _seed(name: str, **fields: object) -> Callable[[], nn.Module]:
    return lambda: build_network({"name": name, **fields}, (3, 32, 32), 4)


PATTERNS = [
    Subject("mlp", _mlp, (6, 12)),
    Subject("residual", Residual, (6, 3, 8, 8)),
    Subject("branches", Branches, (6, 3, 8, 8), sites=6),
]
LAYERS = [
    Subject("gated", Gated, (6, 3, 8, 8), sites=6),
    Subject("decoder", Decoder, (6, 3, 4, 4), sites=6),
    Subject("own_forward", OwnForward, (6, 3, 8, 8), sites=6),
    Subject("tokens", Tokens, (6, 9), sites=6),
]
SEEDS = [
    Subject("seed_mlp", _seed("mlp"), (3, 3, 32, 32)),
    Subject("seed_small_cnn", _seed("small_cnn"), (3, 3, 32, 32)),
    Subject("seed_lenet5", _seed("lenet5"), (3, 3, 32, 32)),
    Subject("seed_vgg11", _seed("vgg11", width=0.125), (3, 3, 32, 32)),
    Subject("seed_vgg19", _seed("vgg19", width=0.125), (3, 3, 32, 32)),
    Subject("seed_wrn28", _seed("wrn28", width=0.25), (3, 3, 32, 32)),
    Subject("seed_resnet18_cifar", _seed("resnet18_cifar", width=0.125), (3, 3, 32, 32)),
    Subject("seed_mobilenet_v1", _seed("mobilenet_v1", width=0.25), (3, 3, 32, 32)),
]


def randomise(model: nn.Module) -> None:
    """Give every parameter and buffer random values of a sensible size: zeros would make preservation trivial."""
    with torch.no_grad():
        for module in model.modules():
            norm = isinstance(module, nn.modules.batchnorm._NormBase | nn.GroupNorm | nn.LayerNorm)
            for name, tensor in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]:
                if not tensor.is_floating_point():
                    continue
                if norm:
                    tensor.uniform_(0.5, 1.5) if name in ("weight", "running_var") else tensor.normal_(0, 0.1)
                elif tensor.ndim > 1 and tensor[0].numel() > 1:
                    tensor.normal_(0, (2 / tensor[0].numel()) ** 0.5)
                else:
                    tensor.normal_(0, 0.2)
