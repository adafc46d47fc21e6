"""One tiny network for every pattern of a graph, with the sites that it has."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

IMAGE = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))


class Net(nn.Module):
    """A stem of 8 channels, something of its own, and a head."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.head = nn.Linear(width, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(self.body(F.relu(self.stem(x)))).mean((2, 3)))

    def body(self, x: Tensor) -> Tensor:
        return x


class Residual(Net):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(8, 6, 3, padding=1), nn.Conv2d(6, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)

    def body(self, x: Tensor) -> Tensor:
        y = self.norm(self.two(torch.relu(self.one(x))))
        y += x
        return y


class Concat(Net):
    def __init__(self) -> None:
        super().__init__(12)
        self.side = nn.Conv2d(8, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(12)

    def body(self, x: Tensor) -> Tensor:
        return self.norm(torch.cat([x, self.side(x)], dim=1))


class Chunk(Net):
    def __init__(self) -> None:
        super().__init__(4)

    def body(self, x: Tensor) -> Tensor:
        value, gate = x.chunk(2, dim=1)
        return value * torch.sigmoid(gate)


class ChunkApart(Net):
    """The halves go separate ways, and yet must stay halves."""

    def __init__(self) -> None:
        super().__init__(5)
        self.one, self.two = nn.Conv2d(4, 5, 1), nn.Conv2d(4, 5, 1)

    def body(self, x: Tensor) -> Tensor:
        first, second = torch.chunk(x, 2, dim=1)
        return self.one(first) + self.two(second)


class Flatten(Net):
    def __init__(self) -> None:
        super().__init__(8 * 16)
        self.pool = nn.MaxPool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.flatten(self.pool(self.stem(x).tanh()), 1))


class FlattenJoined(Flatten):
    """A flattened map added to what a linear layer makes: that grows by 16 rows a unit."""

    def __init__(self) -> None:
        super().__init__()
        self.bypass = nn.Linear(7, 8 * 16)

    def forward(self, x: Tensor) -> Tensor:
        flat = self.pool(self.stem(x).tanh()).reshape(x.shape[0], -1)
        return self.head(flat + self.bypass(x[:, 0, 0, :7]))


class Grouped(Net):
    def __init__(self) -> None:
        super().__init__(12)
        self.grouped = nn.Conv2d(8, 12, 3, padding=1, groups=4)

    def body(self, x: Tensor) -> Tensor:
        return self.grouped(x)


class Depthwise(Net):
    def __init__(self) -> None:
        super().__init__(16)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.doubled = nn.Conv2d(8, 16, 3, padding=1, groups=8)

    def body(self, x: Tensor) -> Tensor:
        return self.doubled(self.depthwise(x))


class Transposed(Net):
    def __init__(self) -> None:
        super().__init__(9)
        self.up = nn.ConvTranspose2d(8, 6, 2, stride=2)
        self.grouped = nn.ConvTranspose2d(6, 9, 2, stride=2, groups=3)

    def body(self, x: Tensor) -> Tensor:
        return self.grouped(self.up(x).relu())


class SqueezeExcite(Net):
    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(8, 2, 1), nn.Conv2d(2, 8, 1)

    def body(self, x: Tensor) -> Tensor:
        scale = F.adaptive_avg_pool2d(x, 1)
        return x * torch.sigmoid(self.up(F.relu(self.down(scale))))


class LayerScale(Net):
    def __init__(self) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((8, 1, 1), 1e-6))
        self.mix = nn.Conv2d(8, 8, 1)

    def body(self, x: Tensor) -> Tensor:
        return x + self.gamma * self.mix(x)


class Functional(Net):
    def __init__(self) -> None:
        super().__init__(6)
        self.weight = nn.Parameter(torch.randn(6, 8, 3, 3))
        self.out = nn.Parameter(torch.randn(6, 4))
        self.bias = nn.Parameter(torch.randn(4))
        self.last = nn.Linear(4, 5)
        self.head = nn.Identity()

    def body(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        h = super().forward(x)
        return self.last(F.relu(torch.addmm(self.bias, h, self.out)) + F.linear(h, self.out.t(), self.bias))


class Twice(nn.Module):
    """A linear layer used twice: its input and output are one space."""

    def __init__(self) -> None:
        super().__init__()
        self.into, self.shared, self.out = nn.Linear(6, 8), nn.Linear(8, 8), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.shared(torch.relu(self.shared(self.into(x)))))


class Tied(nn.Module):
    """Embedding and head share one tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(11, 8)
        self.one, self.two = nn.Linear(8, 6), nn.Linear(6, 8)
        self.head = nn.Linear(8, 11, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens)
        return self.head(x + self.two(F.gelu(self.one(x))))


class LiteralSlice(Net):
    """The first 3 channels are cut off by a number in the code; the others may grow."""

    def __init__(self) -> None:
        super().__init__(3)
        self.first, self.rest = nn.Conv2d(3, 3, 1), nn.Conv2d(5, 3, 1)

    def body(self, x: Tensor) -> Tensor:
        return self.first(x[:, :3]) + self.rest(x[:, 3:])


class Padded(Net):
    """A shortcut that pads channels with zeros, as in the first residual networks."""

    def __init__(self) -> None:
        super().__init__(12)
        self.main = nn.Conv2d(8, 12, 3, stride=2, padding=1)

    def body(self, x: Tensor) -> Tensor:
        return self.main(x) + F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 2, 2))


class Tokens(nn.Module):
    """Patches to tokens, a position embedding, a gated unit, and one head of attention written by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 8, 4, stride=4)
        self.positions = nn.Parameter(torch.zeros(1, 4, 8))
        self.q, self.k, self.v = nn.Linear(8, 6), nn.Linear(8, 6), nn.Linear(8, 7)
        self.project = nn.Linear(7, 8)
        self.gate = nn.Sequential(nn.Linear(8, 10), nn.GLU(-1))
        self.head = nn.Linear(5, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2) + self.positions
        weights = torch.softmax(self.q(x) @ self.k(x).transpose(-2, -1) / 6**0.5, -1)
        x = x + self.project(weights @ self.v(x))
        return self.head(self.gate(x)[:, 0])


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Linear(3, 8)
        layer = nn.TransformerEncoderLayer(8, 2, 12, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.encoder(self.patch(x.flatten(2).transpose(1, 2))).mean(1))


class Generator(nn.Module):
    """A vector becomes a map again, by its repeated layout."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm1d(4 * 64)
        self.out = nn.Conv2d(4, 5, 3)

    def forward(self, x: Tensor) -> Tensor:
        flat = self.norm(self.conv(x).flatten(1))
        return self.out(flat.view(len(x), -1, 8, 8)).mean((2, 3))


class ToMap(nn.Module):
    """What a linear layer makes becomes a map whose channels are those of the next layer, as in DCGAN."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.out = nn.Linear(7, 24), nn.Conv2d(6, 5, 2)

    def forward(self, x: Tensor) -> Tensor:
        flat = F.relu(self.linear(x[:, 0, 0, :7]))
        return self.out(flat.view(-1, self.out.in_channels, 2, 2)).mean((2, 3))


class Shuffled(Net):
    """Four channels in a row become one map of twice the size, and back."""

    def __init__(self) -> None:
        super().__init__(16)
        self.up, self.down = nn.Sequential(nn.PixelShuffle(2), nn.Conv2d(2, 4, 1)), nn.PixelUnshuffle(2)

    def body(self, x: Tensor) -> Tensor:
        return self.down(F.relu(self.up(x)))


class ChannelShuffle(Net):
    """Channels of groups in turn: once by torch, once by hand."""

    def __init__(self) -> None:
        super().__init__(8)
        self.shuffle, self.grouped = nn.ChannelShuffle(2), nn.Conv2d(8, 8, 1, groups=2)

    def body(self, x: Tensor) -> Tensor:
        x = self.grouped(self.shuffle(x))
        return x.view(len(x), 4, -1, 8, 8).transpose(1, 2).flatten(1, 2)


class FusedHeads(nn.Module):
    """Queries, keys and values of one layer, taken apart: the heads' width is multiplied over, their number is free."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.project, self.out = nn.Linear(6, 3 * 2 * 4), nn.Linear(8, 7), nn.Linear(7, 5)

    def forward(self, x: Tensor) -> Tensor:
        n, length, _ = x.shape
        q, k, v = self.qkv(x).reshape(n, length, 3, -1, 4).permute(2, 0, 3, 1, 4)
        y = torch.softmax(q @ k.transpose(-2, -1) / 2, -1) @ v
        return self.out(F.relu(self.project(y.transpose(1, 2).reshape(n, length, -1))).mean(1))


# Name: network, inputs, {site: (units, granularity, kind)}.
CASES: dict[str, tuple[nn.Module, Tensor, dict[str, tuple[int, int, str]]]] = {
    "residual": (Residual(), IMAGE, {"stem": (8, 1, "exact"), "one": (6, 1, "exact")}),
    "concat": (Concat(), IMAGE, {"stem": (8, 1, "exact"), "side": (4, 1, "exact")}),
    "chunk": (Chunk(), IMAGE, {"stem": (4, 2, "exact")}),
    "chunk_apart": (ChunkApart(), IMAGE, {"stem": (4, 2, "exact"), "one": (5, 1, "exact")}),
    "flatten": (Flatten(), IMAGE, {"stem": (8, 1, "exact")}),
    "flatten_joined": (FlattenJoined(), IMAGE, {"stem": (8, 1, "exact")}),
    "grouped": (Grouped(), IMAGE, {"stem": (2, 4, "exact"), "grouped": (3, 4, "exact")}),
    "depthwise": (Depthwise(), IMAGE, {"stem": (8, 1, "exact")}),
    "transposed": (Transposed(), IMAGE, {"stem": (8, 1, "exact"), "up": (2, 3, "exact"), "grouped": (3, 3, "exact")}),
    "squeeze_excite": (SqueezeExcite(), IMAGE, {"stem": (8, 1, "exact"), "down": (2, 1, "exact")}),
    "layer_scale": (LayerScale(), IMAGE, {"stem": (8, 1, "exact")}),
    "functional": (
        Functional(),
        IMAGE,
        {"stem": (8, 1, "exact"), "weight": (6, 1, "exact"), "out": (4, 1, "exact")},
    ),
    "twice": (Twice(), torch.ones(2, 6), {"into": (8, 1, "exact")}),
    "tied": (Tied(), torch.tensor([[1, 2, 3]]), {"embed": (8, 1, "exact"), "one": (6, 1, "exact")}),
    "literal_slice": (
        LiteralSlice(),
        IMAGE,
        {"stem": (3, 1, "frozen"), "stem[1]": (5, 1, "exact"), "first": (3, 1, "exact")},
    ),
    "padded": (
        Padded(),
        IMAGE,
        {"stem": (8, 1, "exact"), "main": (2, 1, "frozen"), "main[1]": (2, 1, "frozen")},
    ),
    "tokens": (
        Tokens(),
        IMAGE,
        {
            "patch": (8, 1, "exact"),
            "q": (6, 1, "frozen"),
            "v": (7, 1, "exact"),
            "gate.0": (5, 2, "exact"),
        },
    ),
    "encoder": (
        Encoder(),
        IMAGE,
        {
            "patch": (8, 1, "frozen"),
            "encoder.layers.0.linear1": (12, 1, "exact"),
            "encoder.layers.1.linear1": (12, 1, "exact"),
        },
    ),
    "generator": (Generator(), IMAGE, {"conv": (4, 1, "exact")}),
    "to_map": (ToMap(), IMAGE, {"linear": (6, 4, "exact")}),
    "shuffled": (Shuffled(), IMAGE, {"stem": (2, 4, "exact"), "up.1": (4, 1, "exact")}),
    "channel_shuffle": (
        ChannelShuffle(),
        IMAGE,
        {"stem": (2, 4, "exact"), "grouped": (2, 4, "exact")},
    ),
    "fused_heads": (FusedHeads(), torch.ones(2, 3, 6), {"qkv": (2, 12, "exact"), "project": (7, 1, "exact")}),
}
