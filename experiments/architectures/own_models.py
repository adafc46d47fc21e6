"""Small networks written here, each for a habit of user code that the libraries do not show."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .architecture import Architecture, floats, images, tokens


class GraphConvolution(nn.Module):
    """Two layers that mix nodes by a matrix given as an input."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.out = nn.Linear(5, 8), nn.Linear(8, 6), nn.Linear(6, 3)

    def forward(self, nodes: Tensor, adjacency: Tensor) -> Tensor:
        hidden = F.relu(adjacency @ self.first(nodes))
        return self.out(F.relu(adjacency @ self.second(hidden)).mean(1))


class Scattering(nn.Module):
    """Messages along edges, summed at their targets by `index_add`."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.message, self.update = nn.Linear(5, 8), nn.Linear(16, 7), nn.Linear(15, 6)
        self.out = nn.Linear(6, 3)

    def forward(self, nodes: Tensor, edges: Tensor) -> Tensor:
        hidden = F.relu(self.embed(nodes))
        messages = F.relu(self.message(torch.cat([hidden[edges[0]], hidden[edges[1]]], -1)))
        summed = torch.zeros(len(nodes), messages.shape[-1], dtype=nodes.dtype).index_add(0, edges[1], messages)
        return self.out(F.relu(self.update(torch.cat([hidden, summed], -1))))


def generator() -> nn.Module:
    return nn.Sequential(
        nn.Unflatten(1, (12, 1, 1)),
        nn.ConvTranspose2d(12, 16, 4),
        nn.BatchNorm2d(16),
        nn.ReLU(inplace=True),
        nn.ConvTranspose2d(16, 8, 4, 2, 1),
        nn.BatchNorm2d(8),
        nn.ReLU(inplace=True),
        nn.ConvTranspose2d(8, 3, 4, 2, 1),
        nn.Tanh(),
    )


def discriminator() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 4, 2, 1),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(8, 12, 4, 2, 1),
        nn.InstanceNorm2d(12, affine=True),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(12, 1, 4),
        nn.Flatten(),
    )


class UNet(nn.Module):
    """Down, up with transposed convolutions, and concatenated skips."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.bottom = self._block(3, 6), self._block(6, 10)
        self.up, self.join, self.out = nn.ConvTranspose2d(10, 6, 2, 2), self._block(12, 6), nn.Conv2d(6, 2, 1)

    @staticmethod
    def _block(inputs: int, outputs: int) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
        )

    def forward(self, x: Tensor) -> Tensor:
        skip = self.down(x)
        x = self.up(self.bottom(F.max_pool2d(skip, 2)))
        return self.out(self.join(torch.cat([skip, x], 1)))


class PointNet(nn.Module):
    """A shared MLP on points, a maximum over them, and a learned transform of the inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.transform = nn.Sequential(nn.Conv1d(3, 8, 1), nn.BatchNorm1d(8), nn.ReLU())
        self.matrix = nn.Sequential(nn.Linear(8, 7), nn.ReLU(), nn.Linear(7, 9))
        self.points = nn.Sequential(nn.Conv1d(3, 8, 1), nn.BatchNorm1d(8), nn.ReLU(), nn.Conv1d(8, 12, 1))
        self.head = nn.Sequential(nn.Linear(12, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 4))

    def forward(self, x: Tensor) -> Tensor:
        matrix = self.matrix(self.transform(x).max(2)[0]).view(-1, 3, 3) + torch.eye(3, dtype=x.dtype)
        x = torch.bmm(x.transpose(1, 2), matrix).transpose(1, 2)
        return F.log_softmax(self.head(self.points(x).max(2)[0]), 1)


class Recurrent(nn.Module):
    """An embedding, a recurrent layer and a head on the last state."""

    def __init__(self, kind: type[nn.RNNBase]) -> None:
        super().__init__()
        self.embed, self.rnn = nn.Embedding(20, 6), kind(8, 5, batch_first=True)
        self.into, self.head, self.out = nn.Linear(6, 8), nn.Linear(5, 7), nn.Linear(7, 3)

    def forward(self, x: Tensor) -> Tensor:
        hidden, _ = self.rnn(F.relu(self.into(self.embed(x))))
        return self.out(torch.tanh(self.head(hidden[:, -1])))


class CellLoop(nn.Module):
    """A cell of linear layers, run in a Python loop."""

    def __init__(self) -> None:
        super().__init__()
        self.into, self.again, self.out = nn.Linear(4, 6), nn.Linear(6, 6), nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        state = x.new_zeros(len(x), self.again.in_features)
        for step in x.unbind(1):
            state = torch.tanh(self.into(step) + self.again(state))
        return self.out(state)


class Variational(nn.Module):
    """A variational autoencoder that returns several things as a dict."""

    def __init__(self) -> None:
        super().__init__()
        self.encode, self.mean, self.spread = nn.Linear(10, 8), nn.Linear(8, 4), nn.Linear(8, 4)
        self.decode, self.out = nn.Linear(4, 8), nn.Linear(8, 10)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        hidden = F.relu(self.encode(x))
        mean, spread = self.mean(hidden), self.spread(hidden)
        code = mean + torch.randn_like(spread) * (0.5 * spread).exp() if self.training else mean
        return {"image": torch.sigmoid(self.out(F.relu(self.decode(code)))), "mean": mean, "spread": spread}


class TiedAutoencoder(nn.Module):
    """The decoder uses the encoder's weights, transposed."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(10, 8), nn.Linear(8, 5)
        self.bias, self.last = nn.Parameter(torch.zeros(8)), nn.Parameter(torch.zeros(10))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(self.second(F.relu(self.first(x))))
        x = F.relu(F.linear(x, self.second.weight.t(), self.bias))
        return F.linear(x, self.first.weight.t(), self.last)


class Siamese(nn.Module):
    """One module called on two inputs, and the distance of the two answers."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 8, 3), nn.ReLU())
        self.head = nn.Linear(8, 2)

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        left, right = (self.body(each).mean((2, 3)) for each in (left, right))
        return self.head((left - right).abs())


class Functional(nn.Module):
    """Weights held as parameters, layers called as functions."""

    def __init__(self) -> None:
        super().__init__()
        self.filters, self.bias = nn.Parameter(torch.randn(6, 3, 3, 3)), nn.Parameter(torch.zeros(6))
        self.matrix, self.last = nn.Parameter(torch.randn(5, 6)), nn.Parameter(torch.randn(5, 2))

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(F.conv2d(x, self.filters, self.bias, padding=1)).mean((2, 3))
        return F.relu(F.linear(x, self.matrix)) @ self.last


class InPlace(nn.Module):
    """Additions and activations in place, and a block used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.block, self.norm = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.head, self.out = nn.Conv2d(6, 5, 1), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).relu_()
        for _ in range(2):
            y = self.block(x)
            y += x
            x = self.norm(y).clamp_(min=0)
        x = self.head(x).mul_(0.5).relu_()
        return self.out(x.mean((-2, -1)))


class ChannelsLast(nn.Module):
    """Images as (N, H, W, C): permutations around convolutions, layer norm over the last axis."""

    def __init__(self) -> None:
        super().__init__()
        self.into, self.depthwise, self.norm = nn.Linear(3, 8), nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.LayerNorm(8)
        self.wide, self.narrow, self.out = nn.Linear(8, 16), nn.Linear(16, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.into(x)
        y = self.depthwise(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        x = x + self.narrow(F.gelu(self.wide(self.norm(y))))
        return self.out(x.mean((1, 2)))


class WaveNet(nn.Module):
    """Gated dilated convolutions with a residual and a skip path."""

    def __init__(self) -> None:
        super().__init__()
        self.into = nn.Conv1d(1, 6, 1)
        self.gates = nn.ModuleList(nn.Conv1d(6, 16, 2, dilation=2**i) for i in range(3))
        self.skips = nn.ModuleList(nn.Conv1d(8, 5, 1) for _ in range(3))
        self.backs = nn.ModuleList(nn.Conv1d(8, 6, 1) for _ in range(3))
        self.out = nn.Conv1d(5, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x, total = self.into(x), 0
        for gate, skip, back in zip(self.gates, self.skips, self.backs, strict=True):
            left, right = gate(F.pad(x, (gate.dilation[0], 0))).chunk(2, 1)
            hidden = torch.tanh(left) * torch.sigmoid(right)
            total, x = total + skip(hidden), x + back(hidden)
        return self.out(F.relu(total))


class SuperResolution(nn.Module):
    """Residual convolutions and a pixel shuffle."""

    def __init__(self) -> None:
        super().__init__()
        self.head, self.inner, self.outer = (nn.Conv2d(a, b, 3, padding=1) for a, b in ((3, 8), (8, 6), (6, 8)))
        self.up, self.out = nn.Conv2d(8, 32, 3, padding=1), nn.Conv2d(8, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.head(x)
        x = x + 0.1 * self.outer(F.relu(self.inner(x)))
        return self.out(F.relu(F.pixel_shuffle(self.up(x), 2)))


class Experts(nn.Module):
    """A gate that weighs the answers of experts."""

    def __init__(self) -> None:
        super().__init__()
        self.experts = nn.ModuleList(nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4)) for _ in range(3))
        self.gate, self.out = nn.Linear(6, 3), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        answers = torch.stack([expert(x) for expert in self.experts], 1)
        return self.out(F.relu((self.gate(x).softmax(-1).unsqueeze(-1) * answers).sum(1)))


class Recommender(nn.Module):
    """Factors of users and items multiplied, beside an MLP on both."""

    def __init__(self) -> None:
        super().__init__()
        self.users, self.items = nn.Embedding(20, 6), nn.Embedding(30, 6)
        self.deep_users, self.deep_items = nn.Embedding(20, 4), nn.Embedding(30, 5)
        self.mlp, self.out = nn.Sequential(nn.Linear(9, 8), nn.ReLU(), nn.Linear(8, 4), nn.ReLU()), nn.Linear(10, 1)

    def forward(self, user: Tensor, item: Tensor) -> Tensor:
        deep = self.mlp(torch.cat([self.deep_users(user), self.deep_items(item)], -1))
        return self.out(torch.cat([self.users(user) * self.items(item), deep], -1))


class Radiance(nn.Module):
    """Sines of coordinates, an MLP with a skip, and two heads."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(15, 8), nn.Linear(23, 8)
        self.density, self.colour, self.out = nn.Linear(8, 1), nn.Linear(8, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = torch.cat([x, *(wave(x * 2.0**k) for k in range(2) for wave in (torch.sin, torch.cos))], -1)
        hidden = F.relu(self.second(torch.cat([x, F.relu(self.first(x))], -1)))
        return F.softplus(self.density(hidden)), torch.sigmoid(self.out(F.relu(self.colour(hidden))))


class Policy(nn.Module):
    """Actor and critic on a shared body, with a mask."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(8, 9), nn.Tanh(), nn.Linear(9, 7), nn.Tanh())
        self.actor, self.critic = nn.Linear(7, 4), nn.Linear(7, 1)

    def forward(self, *, state: Tensor, allowed: Tensor) -> dict[str, Tensor]:
        hidden = self.body(state)
        return {"policy": self.actor(hidden).masked_fill(~allowed, -1e4).softmax(-1), "value": self.critic(hidden)}


class Transformer(nn.Module):
    """Torch's own encoder layers."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.into = nn.Embedding(20, 8), nn.Linear(8, 8)
        layer = nn.TransformerEncoderLayer(8, 2, 12, dropout=0.0, batch_first=True)
        self.encoder, self.out = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.encoder(self.into(self.embed(x))).mean(1))


def convolutional(dtype: torch.dtype) -> nn.Module:
    layers = [nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 8, 3), nn.BatchNorm2d(8), nn.SiLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)).to(dtype)


def temporal() -> nn.Module:
    layers = [nn.Conv1d(4, 8, 3, padding=2, dilation=2), nn.BatchNorm1d(8), nn.PReLU(8), nn.AvgPool1d(2)]
    return nn.Sequential(*layers, nn.Conv1d(8, 6, 3), nn.GELU(), nn.Flatten(), nn.Linear(36, 3))


def volumetric() -> nn.Module:
    layers = [nn.Conv3d(1, 6, 3, padding=1), nn.BatchNorm3d(6), nn.ReLU(), nn.MaxPool3d(2)]
    return nn.Sequential(*layers, nn.Conv3d(6, 8, 3, padding=1), nn.ReLU(), nn.ConvTranspose3d(8, 2, 2, 2))


def architectures() -> list[Architecture]:
    """All of them."""

    def nodes() -> tuple[Tensor, Tensor]:
        return torch.randn(2, 7, 5), torch.rand(2, 7, 7)

    def edges() -> tuple[Tensor, Tensor]:
        return torch.randn(7, 5), torch.randint(7, (2, 12))

    def pair() -> tuple[Tensor, Tensor]:
        return torch.randn(3, 3, 8, 8), torch.randn(3, 3, 8, 8)

    def ids() -> tuple[Tensor, Tensor]:
        return torch.randint(20, (6,)), torch.randint(20, (6,))

    def state() -> dict[str, Tensor]:
        return {"state": torch.randn(5, 8), "allowed": torch.rand(5, 4) > 0.3}

    def words() -> Tensor:
        return tokens(20, 7)

    half, double = torch.bfloat16, torch.float64
    rows = [
        ("graph convolution", "graph", GraphConvolution, nodes),
        ("message passing", "graph", Scattering, edges),
        ("GAN generator", "generative", generator, floats(5, 12)),
        ("GAN discriminator", "generative", discriminator, images(16, batch=4)),
        ("variational autoencoder", "generative", Variational, floats(5, 10)),
        ("autoencoder with tied weights", "generative", TiedAutoencoder, floats(5, 10)),
        ("U-Net", "segmentation", UNet, images(16)),
        ("PointNet", "points", PointNet, floats(4, 3, 20)),
        ("LSTM", "recurrent", lambda: Recurrent(nn.LSTM), words),
        ("GRU", "recurrent", lambda: Recurrent(nn.GRU), words),
        ("cell in a loop", "recurrent", CellLoop, floats(3, 5, 4)),
        ("siamese", "shared modules", Siamese, pair),
        ("layers as functions", "functional", Functional, images(8)),
        ("in place", "in place", InPlace, images(8)),
        ("channels last", "layout", ChannelsLast, floats(2, 6, 6, 3)),
        ("WaveNet", "audio", WaveNet, floats(2, 1, 16)),
        ("temporal convolutions", "audio", temporal, floats(2, 4, 16)),
        ("super-resolution", "generative", SuperResolution, images(8)),
        ("mixture of experts", "several heads", Experts, floats(5, 6)),
        ("recommender", "embeddings", Recommender, ids),
        ("radiance field", "several heads", Radiance, floats(6, 3)),
        ("actor and critic", "several heads", Policy, state),
        ("torch encoder", "transformer", Transformer, words),
        ("3-d convolutions", "segmentation", volumetric, floats(2, 1, 4, 4, 4)),
        ("float64", "types", lambda: convolutional(double), lambda: torch.randn(4, 3, 8, 8, dtype=double)),
        ("bfloat16", "types", lambda: convolutional(half), lambda: torch.randn(4, 3, 8, 8).to(half)),
    ]
    return [Architecture(name, "written here", family, build, inputs) for name, family, build, inputs in rows]
