"""What cannot be followed is frozen, with a reason that names the place."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune

from growsearch.graph import Site, trace

IMAGE = torch.ones(2, 3, 8, 8)


class Block(nn.Module):
    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def site_behind(function: Callable[[Tensor], Tensor], channels: int = 6) -> Site:
    """The site of a convolution whose output passes `function` and then another convolution."""
    net = nn.Sequential()
    net.add_module("conv", nn.Conv2d(3, 6, 1))
    net.add_module("block", Block(function))
    net.add_module("out", nn.Conv2d(channels, 2, 1))
    return trace(net, IMAGE).sites["conv"]


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        return x * 2

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return gradient * 2


def _written(x: Tensor) -> Tensor:
    y = torch.zeros_like(x)
    y[:, :, 0] = x[:, :, 0]
    return y


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda x: torch.matrix_exp(x), "no rule for torch.matrix_exp at 'block'"),
        (lambda x: x.softmax(1), "combined by softmax at 'block'"),
        (lambda x: F.normalize(x), "combined by normalize at 'block'"),
        (lambda x: x / x.sum(1, keepdim=True), "reduced by sum at 'block'"),
        (lambda x: x.flip(1), "combined by flip at 'block'"),
        (lambda x: x.roll(1), "combined by roll at 'block'"),
        (lambda x: x[:, [1, 0, 2, 3, 4, 5]], "indexed by getitem at 'block'"),
        (lambda x: x[..., torch.arange(8)], "an index with tensors, in getitem at 'block'"),
        (lambda x: x[:, torch.arange(6)], "indexed by getitem at 'block'"),
        (
            lambda x: x.view(2, 2, 3, 8, 8).transpose(1, 2).reshape(2, 6, 8, 8),
            "no number that its modules keep makes it run with one unit more",
        ),
        (lambda x: x.view(2, 2, 3, 8, 8).sum(1).repeat(1, 2, 1, 1).softmax(1), "reshaped from (6,) to (2, 3) by view"),
        (lambda x: x + torch.ones(6, 1, 1), "ones in the model's code has a fixed size"),
        (lambda x: x * torch.ones(2, 6, 8, 8), "ones in the model's code has a fixed size"),
        (lambda x: torch.cat(x.split(3, 1)), "cut into parts of fixed size by split at 'block'"),
        (lambda x: torch.cat(x.chunk(4, 1), 1), "cut into unequal parts by chunk at 'block'"),
        (_written, "no rule for torch.Tensor.__setitem__ at 'block'"),
        (lambda x: x.permute(0, 2, 3, 1).matmul(x.transpose(1, 2)).permute(0, 3, 1, 2)[:, :6], "multiplied over it"),
        (
            lambda x: F.scaled_dot_product_attention(*[x.flatten(2).mT] * 3).mT.unflatten(2, (8, 8)),
            "activations are multiplied over it by scaled_dot_product_attention at 'block'",
        ),
    ],
)
def test_a_channel_space_freezes(function: Callable[[Tensor], Tensor], reason: str) -> None:
    channels = {"cut into parts of fixed size": 3}.get(reason[:28], 6)

    site = site_behind(function, channels)

    assert site.kind == "frozen"
    assert reason in site.reason


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x * 2 + 1,
        lambda x: x.mul_(2).add_(1),
        lambda x: Doubled.apply(x),
        lambda x: torch.where(x > 0, x, -x).clamp(min=0.1),
        lambda x: x + torch.ones(8),
        lambda x: x * torch.sigmoid(x.mean((2, 3), keepdim=True)),
        lambda x: F.interpolate(x, scale_factor=2.0),
        lambda x: x.flatten(2).softmax(-1).unflatten(2, (8, 8)),
        lambda x: torch.stack([x, x]).sum(0),
        lambda x: x.roll(1, dims=2),
        lambda x: F.pad(x, (1, 1)),
        lambda x: x[..., 1:-1].contiguous().to(torch.float32),
        lambda x: x.movedim(1, -1).movedim(-1, 1),
        lambda x: x.unsqueeze(1).squeeze(1),
        lambda x: x.max(dim=-1, keepdim=True).values.expand_as(x),
        lambda x: torch.einsum("bchw->bchw", x) if x.shape[1] < 3 else x,
    ],
)
def test_a_channel_space_passes(function: Callable[[Tensor], Tensor]) -> None:
    site = site_behind(function)

    assert (site.kind, site.width, site.consumers) == ("exact", 6, ("out",))


def test_work_that_torch_functions_do_not_show_freezes() -> None:
    def hidden(x: Tensor) -> Tensor:
        with torch._C.DisableTorchFunction():
            return x.softmax(1)[:, :, :4]

    site = site_behind(hidden)

    assert site.kind == "frozen"
    assert "no rule for hidden work" in site.reason


def test_recurrent_layers_freeze_what_enters_and_leaves() -> None:
    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.into, self.rnn, self.out = nn.Linear(4, 6), nn.LSTM(6, 5, batch_first=True), nn.Linear(5, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.out(self.rnn(self.into(x))[0][:, -1])

    sites = trace(Recurrent(), torch.ones(2, 3, 4)).sites

    assert {name: site.reason for name, site in sites.items()} == {
        "into": "no rule for LSTM at 'rnn'",
        "rnn": "no rule for LSTM at 'rnn'",
    }


def test_inputs_and_outputs_are_no_sites() -> None:
    sites = trace(nn.Sequential(nn.Linear(4, 6), nn.Linear(6, 2)), torch.ones(2, 4)).sites

    assert list(sites) == ["0"]


def test_what_the_model_returns_is_frozen() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Linear(4, 6), nn.Linear(6, 2)

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            features = self.one(x)
            return {"features": features, "logits": self.two(features)}

    site = trace(Both(), torch.ones(2, 4)).sites["one"]

    assert (site.kind, site.reason) == ("frozen", "model output")


@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
@pytest.mark.parametrize(
    "change",
    [
        lambda layer: parametrizations.weight_norm(layer),
        lambda layer: parametrizations.spectral_norm(layer),
        lambda layer: torch.nn.utils.weight_norm(layer),
        lambda layer: prune.l1_unstructured(layer, "weight", 0.5),
    ],
)
def test_parametrised_weights_freeze(change: Callable[[nn.Module], nn.Module]) -> None:
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 5), nn.Linear(5, 2))
    change(model[2])

    sites = trace(model, torch.ones(2, 4)).sites

    assert {site.kind for site in sites.values()} == {"frozen"}
    assert "2.weight is parametrised" in sites["0"].reason


def test_a_weight_that_is_computed_freezes() -> None:
    class Standardised(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return F.linear(x, torch.tanh(self.weight), self.bias)

    model = nn.Sequential(nn.Linear(4, 6), Standardised(6, 5), nn.Linear(5, 2))

    sites = trace(model, torch.ones(2, 4)).sites

    assert "a weight that other operations compute is used by linear at '1'" in sites["0"].reason
    assert all(site.kind == "frozen" for site in sites.values())


class Single(nn.Module):
    """A layer of one unit, whose axis the code drops."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(3, 1), nn.Linear(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.last(self.first(x).reshape(4).unsqueeze(-1))
        return out


def test_a_single_unit_whose_axis_is_dropped_does_not_grow() -> None:
    site = trace(Single(), torch.randn(4, 3)).sites["first"]
    assert (site.kind, site.reason) == ("frozen", "emptied by reshape at the model")
