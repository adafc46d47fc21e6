"""Operations on positions, on samples or on every element leave channels free; the same ones over channels do not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from growsearch.graph import trace

IMAGE = torch.randn(4, 3, 6, 6, generator=torch.Generator().manual_seed(1))
SWAPPED = torch.tensor([1, 0, 2, 3])
GRID = torch.linspace(-1, 1, 200).reshape(4, 5, 5, 2)
ROWS = SWAPPED[:, None, None, None]


class Operation(nn.Module):
    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def behind(function: Callable[[Tensor], Tensor]) -> nn.Module:
    """A convolution, the operation, and a convolution of as many channels as it leaves."""
    channels = function(torch.rand(4, 6, 6, 6)).shape[1]
    return nn.Sequential(nn.Conv2d(3, 6, 1), nn.Sigmoid(), Operation(function), nn.Conv2d(channels, 2, 1))


def unpooled(h: Tensor) -> Tensor:
    values, index = F.max_pool2d(h, 2, return_indices=True)
    return F.max_unpool2d(values, index, 2)


def filtered(h: Tensor) -> Tensor:
    spectrum = torch.fft.rfft2(h)
    return torch.fft.irfft2(spectrum * torch.ones(4), s=h.shape[-2:]) + torch.fft.fft(h, dim=-1).real


def joined(h: Tensor) -> Tensor:
    return torch.hstack([h, torch.vstack([h[:2], h[2:]]), torch.dstack([h[:, :, :2], h[:, :, 2:]])])


def products(h: Tensor) -> Tensor:
    return torch.baddbmm(h.flatten(2), h.flatten(2), torch.ones(4, 36, 36) / 36).unflatten(2, (6, 6))


def warped(h: Tensor) -> Tensor:
    grid = F.affine_grid(torch.ones(4, 2, 3) / 3, [4, 1, 5, 5], align_corners=False)
    return F.grid_sample(h, grid, align_corners=False)


def boxes(h: Tensor) -> Tensor:
    return torchvision.ops.roi_align(h, [torch.tensor([[0.0, 0, 4, 4]])] * 4, 2)


PASSING: dict[str, Callable[[Tensor], Tensor]] = {
    "unpool": unpooled,
    "adaptive pool with indices": lambda h: F.adaptive_max_pool2d(h, 2, return_indices=True)[0],
    "fourier": filtered,
    "shift": lambda h: torch.fft.fftshift(h, dim=(-2, -1)),
    "grid": lambda h: F.grid_sample(h, GRID, align_corners=False),
    "affine grid": warped,
    "roi_align": boxes,
    "index_select": lambda h: h.index_select(0, SWAPPED),
    "index_add": lambda h: torch.zeros_like(h).index_add_(0, SWAPPED, h),
    "index_copy": lambda h: torch.zeros_like(h).index_copy(0, SWAPPED, h * 2),
    "gather": lambda h: h.gather(0, ROWS.expand_as(h)),
    "scatter_add": lambda h: torch.zeros_like(h).scatter_add_(0, ROWS.expand_as(h), h),
    "scatter": lambda h: torch.zeros_like(h).scatter(0, ROWS.expand_as(h), h),
    "take_along_dim": lambda h: torch.take_along_dim(h, h.argsort(-1), -1),
    "repeat_interleave": lambda h: h.repeat_interleave(3, 1),
    "repeat_interleave of positions": lambda h: h.repeat_interleave(torch.tensor([1, 0, 2, 1, 1, 1]), 2),
    "topk": lambda h: h.flatten(2).topk(3, 2)[0][..., None],
    "kthvalue": lambda h: h.flatten(2).kthvalue(3).values[..., None, None],
    "cummax": lambda h: h.cummax(-1)[0] + h.diff(dim=2).sum(2, keepdim=True),
    "window": lambda h: h.unfold(2, 2, 1).mean(-1),
    "unfold and fold": lambda h: F.fold(F.unfold(h, 3) * 0.5, (6, 6), 3),
    "unfold": lambda h: F.unfold(h, 3)[..., None],
    "einsum": lambda h: torch.einsum("bchw,bhw->bchw", h, torch.ones(4, 6, 6)),
    "einsum over positions": lambda h: torch.einsum("bchw,wv->bchv", h, torch.ones(6, 5)),
    "two tensors": lambda h: torch.max(h, 0.5 * h) + torch.min(h, h.square()) + torch.atan2(h, h + 1),
    "reciprocal": lambda h: 1 / (h.square() + 1) + 2 / h.exp(),
    "special": lambda h: torch.special.expit(h) + torch.special.i0e(h) + torch.special.log_ndtr(h),
    "functions": lambda h: h.atan() + h.asinh() + h.sgn() + torch.erfinv(h / 2) + h.sinc() + h.lgamma() + h.i0(),
    "complex": lambda h: torch.polar(h, h).real + torch.complex(h, h).angle(),
    "quantised": lambda h: torch.fake_quantize_per_tensor_affine(h, 0.1, 0, -128, 127),
    "broadcast": lambda h: torch.broadcast_tensors(h, h.mean((2, 3), keepdim=True))[1],
    "norm": lambda h: h / torch.linalg.vector_norm(h, dim=(2, 3), keepdim=True),
    "stacks": joined,
    "splits": lambda h: torch.vstack(torch.vsplit(h, 2)) + torch.hstack(torch.hsplit(h, 2)),
    "baddbmm": products,
    "mode": lambda h: torch.quantile(h, 0.5, -1, keepdim=True) + torch.aminmax(h, dim=2, keepdim=True).max,
    "gumbel": lambda h: F.gumbel_softmax(h.flatten(2), dim=2).mul(0).add(1).unflatten(2, (6, 6)) * h,
}


@pytest.mark.parametrize("name", PASSING)
def test_channels_pass(name: str, grown_difference) -> None:
    difference, graph = grown_difference(behind(PASSING[name]), IMAGE)

    assert graph.sites["0"].kind == "exact", graph.sites["0"].reason
    assert difference < 2e-5


FREEZING: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "fft": (lambda h: torch.fft.fft(h, dim=1).real, "combined by fft_fft"),
    "fftn": (lambda h: torch.fft.fftn(h).real, "combined by fft_fftn"),
    "topk": (lambda h: h.topk(3, 1)[0], "combined by topk"),
    "index_select": (lambda h: h.index_select(1, torch.tensor([0, 2])), "indexed by index_select"),
    "gather": (lambda h: h.gather(1, h.argsort(1)), "combined by argsort"),
    "gather with fixed channels": (lambda h: h.gather(0, ROWS.expand(4, 6, 6, 6)), "expanded to a fixed size"),
    "fewer channels": (lambda h: h.gather(0, ROWS.expand(4, 3, 6, 6)), "indexed by gather"),
    "window": (lambda h: h.unfold(1, 2, 2).mean(-1), "cut into windows"),
    "einsum": (lambda h: torch.einsum("bchw,bchw->bhw", h, h)[:, None], "summed over by einsum"),
    "diagonal": (lambda h: torch.einsum("bccw->bcw", h[:, :, :6])[..., None], "a diagonal or a broadcast"),
    "kthvalue": (lambda h: h.kthvalue(2, 1, keepdim=True).values, "combined by kthvalue"),
    "borders": (lambda h: torch.hstack(torch.hsplit(h, (2,))), "cut at fixed borders"),
    "norm": (lambda h: h / torch.linalg.vector_norm(h, dim=1, keepdim=True), "reduced by linalg_vector_norm"),
    "running": (lambda h: h.cummax(1)[0], "combined by cummax"),
    "gumbel": (lambda h: F.gumbel_softmax(h, dim=1), "combined by gumbel_softmax"),
}


@pytest.mark.parametrize("name", FREEZING)
def test_channels_that_are_mixed_freeze(name: str) -> None:
    function, reason = FREEZING[name]

    site = trace(behind(function), IMAGE).sites["0"]

    assert site.kind == "frozen"
    assert reason in site.reason


class Letters(nn.Module):
    """Weights in einsum: a linear layer, a scale for each channel, and a linear layer of every head."""

    def __init__(self) -> None:
        super().__init__()
        self.into = nn.Parameter(torch.randn(3, 6))
        self.scale = nn.Parameter(torch.randn(6))
        self.heads = nn.Parameter(torch.randn(6, 2, 5))
        self.out = nn.Parameter(torch.randn(4, 5, 2))

    def forward(self, x: Tensor) -> Tensor:
        h = torch.einsum("bihw,io->bohw", x, self.into).relu()
        h = torch.einsum("bohw,o->bohw", h, self.scale)
        y = torch.einsum("bohw,okd->bkdhw", h, self.heads).relu()
        return torch.einsum("bkdhw,cdk->bc", y, self.out)


def test_weights_in_einsum_make_and_take_channels(grown_difference) -> None:
    difference, graph = grown_difference(Letters(), IMAGE)

    kinds = {name: (site.units, site.kind) for name, site in graph.sites.items()}
    assert kinds == {"into": (6, "exact"), "heads": (2, "exact"), "heads[1]": (5, "exact")}
    assert difference < 2e-5
