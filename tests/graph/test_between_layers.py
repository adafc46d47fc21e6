"""Operations of torch between two layers: the first one grows and the function stays, or its site is frozen."""

from __future__ import annotations

from operator import attrgetter

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

import growsearch
from tests.graph.between import UNITS, Operation, between, frozen, grows

ROWS = torch.zeros(4, 6, dtype=torch.long)
BOXES = torch.tensor([[0.0, 0, 0, 4, 4], [1, 0, 0, 3, 3]])


POINTWISE = """
asinh atan ceil celu cosh deg2rad elu erf erfc exp2 expm1 frac hardshrink hardsigmoid hardswish hardtanh i0 log_sigmoid
logsigmoid mish nan_to_num neg rad2deg relu6 selu signbit sinc sinh softshrink softsign tan tanhshrink trunc
"""


@pytest.mark.parametrize("name", POINTWISE.split())
def test_a_network_grows_through_a_function_of_each_number(name: str) -> None:
    function = getattr(torch, name, None) or getattr(F, name.replace("log_s", "logs"))
    grows(between(lambda x: function(x).to(x), "vectors"))


OF_SHARES = """
acos acosh arccos arccosh arcsin arcsinh arctan arctanh asin atanh conj conj_physical digamma erfinv isinf lgamma log1p
log2 logical_not logit reciprocal resolve_conj resolve_neg isneginf isposinf isreal
"""
SPECIAL = """
airy_ai bessel_j0 bessel_j1 bessel_y0 bessel_y1 digamma entr erfcx erfinv expit gammaln i0e i1 i1e log1p log_ndtr logit
modified_bessel_i0 modified_bessel_i1 modified_bessel_k0 modified_bessel_k1 ndtr ndtri spherical_bessel_j0
"""


@pytest.mark.parametrize("name", [*OF_SHARES.split(), *(f"special.{name}" for name in SPECIAL.split())])
def test_a_network_grows_through_a_function_of_shares(name: str) -> None:
    """Shares lie between 0 and 1, where these are defined, or `acosh` is of what lies above."""
    function, above = attrgetter(name)(torch), name.endswith("cosh")
    grows(between(lambda x: function(torch.sigmoid(x) + above).nan_to_num().to(x), "vectors"))


OF_TWO = """
arctan2 float_power floor_divide fmin heaviside igamma igammac ldexp logaddexp2 logical_or logical_xor nextafter
special.gammainc special.gammaincc special.xlog1py special.zeta
"""
OF_INTEGERS = """
bitwise_and bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor gcd lcm
"""


@pytest.mark.parametrize("name", OF_TWO.split())
def test_a_network_grows_through_a_function_of_two_numbers(name: str) -> None:
    function = attrgetter(name)(torch)
    grows(between(lambda x: function(torch.sigmoid(x) + 1, torch.sigmoid(-x) + 1).to(x), "vectors"))


@pytest.mark.parametrize("name", OF_INTEGERS.split())
def test_a_network_grows_through_a_function_of_two_integers(name: str) -> None:
    function = getattr(torch, name)
    grows(between(lambda x: function((9 * x).int() + 9, (x > 0).int()).to(x) * x, "vectors"))


GROWS: dict[str, tuple[str, Operation]] = {
    "addcdiv": ("vectors", lambda x: torch.addcdiv(x, x, x.abs() + 1)),
    "addcmul": ("vectors", lambda x: torch.addcmul(x, x, x)),
    "alpha_dropout": ("vectors", lambda x: F.alpha_dropout(x, 0.0)),
    "atan2": ("vectors", lambda x: torch.atan2(x, x + 1)),
    "broadcast_tensors": ("vectors", lambda x: torch.broadcast_tensors(x, x)[0]),
    "clamp_max": ("vectors", lambda x: x.clamp_max(0.5)),
    "column_stack": ("vectors", lambda x: torch.column_stack([x, x])),
    "copysign": ("vectors", lambda x: torch.copysign(x, x - 1)),
    "fmax": ("vectors", lambda x: torch.fmax(x, -x)),
    "fmod": ("vectors", lambda x: torch.fmod(x, 2)),
    "hstack": ("vectors", lambda x: torch.hstack([x, x])),
    "hypot": ("vectors", lambda x: torch.hypot(x, x + 1)),
    "lerp": ("vectors", lambda x: torch.lerp(x, -x, 0.3)),
    "logaddexp": ("vectors", lambda x: torch.logaddexp(x, x)),
    "logical_and": ("vectors", lambda x: torch.logical_and(x > 0, x < 1).float() * x),
    "masked_fill": ("vectors", lambda x: x.masked_fill(x > 0.5, 0.1)),
    "ravel": ("vectors", lambda x: x.ravel().reshape(4, -1)),
    "rdiv": ("vectors", lambda x: 1 / (x.abs() + 1)),
    "remainder": ("vectors", lambda x: x % 2),
    "repeat": ("vectors", lambda x: x.repeat(1, 2)),
    "repeat_interleave": ("vectors", lambda x: x.repeat_interleave(2, 1)),
    "reshape_as": ("vectors", lambda x: x.reshape_as(x + 1)),
    "rsub": ("vectors", lambda x: 1 - x),
    "stack": ("vectors", lambda x: torch.stack([x, 2 * x], 1)[:, 1]),
    "tile": ("vectors", lambda x: torch.tile(x, (1, 2))),
    "type_as": ("vectors", lambda x: x.type_as(x)),
    "view_as": ("vectors", lambda x: x.view_as(x)),
    "vstack": ("vectors", lambda x: torch.vstack([x, 2 * x])),
    "xlogy": ("vectors", lambda x: torch.xlogy(x, x.abs() + 1)),
    "chunk": ("vectors", lambda x: torch.cat(x.chunk(2, 1)[::-1], 1)),
    "glu": ("vectors", lambda x: F.glu(x, 1)),
    "hsplit": ("vectors", lambda x: torch.hsplit(x, 2)[1]),
    "tensor_split": ("vectors", lambda x: torch.tensor_split(x, 3, 1)[0]),
    "adjoint": ("rows", lambda x: x.adjoint().adjoint()),
    "amin": ("rows", lambda x: x.amin(1)),
    "aminmax": ("rows", lambda x: torch.aminmax(x, dim=1)[0]),
    "cummax": ("rows", lambda x: x.cummax(1)[0]),
    "cumsum": ("rows", lambda x: x.cumsum(1)),
    "diff": ("rows", lambda x: x.diff(dim=1)),
    "dropout1d": ("rows", lambda x: F.dropout1d(x, 0.0)),
    "index_add": ("rows", lambda x: x.index_add(1, torch.tensor([0, 1]), x[:, :2])),
    "index_copy": ("rows", lambda x: x.index_copy(1, torch.tensor([0, 1]), x[:, :2])),
    "index_fill": ("rows", lambda x: x.index_fill(1, torch.tensor([0]), 0.0)),
    "kthvalue": ("rows", lambda x: x.kthvalue(2, 1)[0]),
    "log_softmax": ("rows", lambda x: x.log_softmax(1)),
    "logcumsumexp": ("rows", lambda x: x.logcumsumexp(1)),
    "logsumexp": ("rows", lambda x: x.logsumexp(1)),
    "mean": ("rows", lambda x: x.mean(1)),
    "median": ("rows", lambda x: x.median(1)[0]),
    "moveaxis": ("rows", lambda x: x.moveaxis(1, 2).moveaxis(1, 2)),
    "nanmean": ("rows", lambda x: x.nanmean(1)),
    "narrow": ("rows", lambda x: x.narrow(1, 1, 3)),
    "quantile": ("rows", lambda x: x.quantile(0.5, dim=1)),
    "softmax": ("rows", lambda x: x.softmax(1)),
    "softmin": ("rows", lambda x: F.softmin(x, 1)),
    "std_mean": ("rows", lambda x: torch.std_mean(x, 1)[0]),
    "topk": ("rows", lambda x: x.topk(3, 1)[0]),
    "topk of the last axis": ("rows", lambda x: x.mT.topk(3)[0].mT),
    "unfold": ("rows", lambda x: x.unfold(1, 2, 1).mean(-1)),
    "var_mean": ("rows", lambda x: torch.var_mean(x, 1)[1]),
    "vector_norm": ("rows", lambda x: torch.linalg.vector_norm(x, dim=1)),
    "fft": ("rows", lambda x: torch.fft.fft(x, dim=1).real),
    "cummin": ("rows", lambda x: x.cummin(1)[0]),
    "conj of a transposed one": ("rows", lambda x: x.mH.mH),
    "dstack of units": ("rows", lambda x: torch.dstack([x, x])),
    "expand by two axes": ("rows", lambda x: x.mean(1).expand(2, 5, -1, -1).sum(0).transpose(0, 1)),
    "repeat by two axes": ("rows", lambda x: x.mean(1).repeat(2, 5, 1, 1).sum(0).transpose(0, 1)),
    "dropout2d": ("images", lambda x: F.dropout2d(x, 0.0)),
    "dropout3d": ("volumes", lambda x: F.dropout3d(x, 0.0)),
    "fake_quantize": ("vectors", lambda x: torch.fake_quantize_per_tensor_affine(x, 0.1, 0, -128, 127)),
    "stack at the front": ("vectors", lambda x: torch.stack([x.mT, 2 * x.mT]).sum(0).mT),
    "einsum": ("rows", lambda x: torch.einsum("bsc->bcs", x).mT),
    "einsum without a result": ("rows", lambda x: torch.einsum("bsc", x).mT),
    "gather": ("rows", lambda x: x.gather(1, torch.zeros_like(x, dtype=torch.long))),
    "take_along_dim": ("rows", lambda x: torch.take_along_dim(x, torch.zeros_like(x, dtype=torch.long), 1)),
    "feature_dropout": ("images", lambda x: torch.feature_dropout(x, 0.0, False)),
    "fftn": ("rows", lambda x: torch.fft.fftn(x, dim=(1,)).real),
    "hfft": ("rows", lambda x: torch.fft.hfft(x, dim=1)),
    "ifft": ("rows", lambda x: torch.fft.ifft(x, dim=1).real),
    "ifft2": ("images", lambda x: torch.fft.ifft2(torch.fft.fft2(x)).real),
    "ifftshift": ("rows", lambda x: torch.fft.ifftshift(x, dim=1)),
    "irfft": ("rows", lambda x: torch.fft.irfft(torch.fft.rfft(x, dim=1), dim=1)),
    "irfft2": ("images", lambda x: torch.fft.irfft2(torch.fft.rfft2(x))),
    "irfftn": ("images", lambda x: torch.fft.irfftn(torch.fft.rfftn(x, dim=(2, 3)), dim=(2, 3))),
    "mvlgamma": ("vectors", lambda x: torch.mvlgamma(x.abs() + 2, 2)),
    "nanmedian": ("rows", lambda x: x.nanmedian(1)[0]),
    "nanquantile": ("rows", lambda x: x.nanquantile(0.5, dim=1)),
    "nansum": ("rows", lambda x: x.nansum(1)),
    "polygamma": ("vectors", lambda x: torch.polygamma(1, x.abs() + 1)),
    "row_stack": ("vectors", lambda x: torch.row_stack([x, 2 * x])),
    "split_with_sizes": ("rows", lambda x: x.split_with_sizes([2, 3], 1)[0]),
    "vsplit": ("vectors", lambda x: torch.vsplit(x, 2)[0]),
    "dsplit": ("images", lambda x: torch.dsplit(x.transpose(1, 2), 2)[0].transpose(1, 2)),
    "dstack": ("images", lambda x: torch.dstack([x, x])),
    "adaptive_avg_pool1d": ("signals", lambda x: F.adaptive_avg_pool1d(x, 2)),
    "adaptive_avg_pool3d": ("volumes", lambda x: F.adaptive_avg_pool3d(x, 2)),
    "adaptive_max_pool1d": ("signals", lambda x: F.adaptive_max_pool1d(x, 2)),
    "adaptive_max_pool2d": ("images", lambda x: F.adaptive_max_pool2d(x, 2)),
    "adaptive_max_pool3d": ("volumes", lambda x: F.adaptive_max_pool3d(x, 2)),
    "avg_pool1d": ("signals", lambda x: F.avg_pool1d(x, 2)),
    "avg_pool3d": ("volumes", lambda x: F.avg_pool3d(x, 2)),
    "lp_pool1d": ("signals", lambda x: F.lp_pool1d(x, 2, 2)),
    "lp_pool3d": ("volumes", lambda x: F.lp_pool3d(x, 2, 2)),
    "max_pool1d": ("signals", lambda x: F.max_pool1d(x, 2)),
    "max_pool3d": ("volumes", lambda x: F.max_pool3d(x, 2, return_indices=True)[0]),
    "max_unpool1d": ("signals", lambda x: F.max_unpool1d(*F.max_pool1d(x, 2, return_indices=True), 2)),
    "max_unpool3d": ("volumes", lambda x: F.max_unpool3d(*F.max_pool3d(x, 2, return_indices=True), 2)),
    "channel_shuffle": ("images", lambda x: F.channel_shuffle(x, 2)),
    "fftshift": ("images", lambda x: torch.fft.fftshift(x, dim=(2, 3))),
    "fold": ("images", lambda x: F.fold(F.unfold(x, 2, stride=2), (6, 6), 2, stride=2)),
    "grid_sample": (
        "images",
        lambda x: F.grid_sample(
            x, F.affine_grid(torch.eye(2, 3).expand(4, 2, 3), list(x.shape), align_corners=False), align_corners=False
        ),
    ),
    "instance_norm": ("images", lambda x: F.instance_norm(x)),
    "interpolate": ("images", lambda x: F.interpolate(x, scale_factor=2)),
    "lp_pool": ("images", lambda x: F.lp_pool2d(x, 2, 2)),
    "max_unpool": ("images", lambda x: F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2)),
    "pad": ("images", lambda x: F.pad(x, (1, 1, 1, 1))),
    "pixel_unshuffle": ("images", lambda x: F.pixel_unshuffle(x, 2)),
    "roi_align": ("images", lambda x: torchvision.ops.roi_align(x, BOXES, 2)),
    "roi_pool": ("images", lambda x: torchvision.ops.roi_pool(x, BOXES, 2)),
}


@pytest.mark.parametrize("name", GROWS)
def test_a_network_grows_through(name: str) -> None:
    kind, operation = GROWS[name]
    grows(between(operation, kind))


@pytest.mark.parametrize("kind", ["vectors", "rows", "images"])
def test_slopes_grow_with_what_they_belong_to(kind: str) -> None:
    model = between(nn.PReLU(5 if kind == "rows" else UNITS), kind)
    grows(model)
    assert model.operation.weight.numel() == (5 if kind == "rows" else model.first.weight.shape[0])


FROZEN: dict[str, tuple[str, Operation]] = {
    "cumprod": ("vectors", lambda x: x.cumprod(1)),
    "cumsum": ("vectors", lambda x: x.cumsum(1)),
    "diff": ("vectors", lambda x: x.diff(dim=1)),
    "flip": ("vectors", lambda x: x.flip(1)),
    "gather": ("vectors", lambda x: x.gather(1, ROWS[:, :2])),
    "getitem": ("vectors", lambda x: x[:, ::2]),
    "index_fill": ("vectors", lambda x: x.index_fill(1, torch.tensor([0]), 0.0)),
    "index_select": ("vectors", lambda x: x.index_select(1, torch.tensor([0, 2]))),
    "narrow": ("vectors", lambda x: x.narrow(1, 2, 3)),
    "narrow from 0": ("vectors", lambda x: torch.narrow(x, 1, 0, 4)),
    "one_hot": ("vectors", lambda x: F.one_hot(x.argmax(1), 6).float()),
    "roll": ("vectors", lambda x: x.roll(1, 1)),
    "scatter_add": ("vectors", lambda x: x.scatter_add(1, ROWS[:, :2], x[:, :2])),
    "sort": ("vectors", lambda x: x.sort(1)[0]),
    "split": ("vectors", lambda x: x.split([2, 4], 1)[1]),
    "split in halves": ("vectors", lambda x: torch.mul(*x.split(3, 1))),
    "take_along_dim": ("vectors", lambda x: torch.take_along_dim(x, x.argsort(1), 1)),
    "tensor_split": ("vectors", lambda x: torch.tensor_split(x, [2, 4], 1)[1]),
    "topk": ("vectors", lambda x: x.topk(3, 1)[0]),
    "topk of the last axis": ("rows", lambda x: x.topk(3)[0]),
    "unflatten": ("vectors", lambda x: x.unflatten(1, (2, 3)).sum(1)),
    "amax": ("rows", lambda x: x.amax(-1)),
    "bmm": ("rows", lambda x: torch.bmm(torch.bmm(x, x.transpose(1, 2)), x)),
    "einsum": ("rows", lambda x: torch.einsum("bsc,btc->bst", x, x) @ x),
    "logsumexp": ("rows", lambda x: x.logsumexp(-1)),
    "mean": ("rows", lambda x: x.mean(-1)),
    "normalize": ("rows", lambda x: F.normalize(x, dim=-1)),
    "scaled_dot_product_attention": ("rows", lambda x: F.scaled_dot_product_attention(x, x, x)),
    "softmax": ("rows", lambda x: x.softmax(-1)),
    "tril": ("rows", lambda x: x.tril()),
    "triu": ("rows", lambda x: x.mT.triu().mT),
    "var": ("rows", lambda x: x.var(-1)),
    "vector_norm": ("rows", lambda x: torch.linalg.vector_norm(x, dim=-1)),
    "fft": ("rows", lambda x: torch.fft.fft(x, dim=-1).real),
    "fft2": ("rows", lambda x: torch.fft.fft2(x).real),
    "fftn": ("rows", lambda x: torch.fft.fftn(x).real),
    "rfft": ("rows", lambda x: torch.fft.rfft(x).real),
    "hfft2": ("rows", lambda x: torch.fft.hfft2(x)),
    "ihfft": ("rows", lambda x: torch.fft.ihfft(x).real),
    "cummin": ("vectors", lambda x: x.cummin(1)[0]),
    "ifftshift": ("vectors", lambda x: torch.fft.ifftshift(x)),
    "nansum": ("rows", lambda x: x.nansum(-1)),
    "scatter_reduce": ("vectors", lambda x: x.scatter_reduce(1, ROWS[:, :2], x[:, :2], "amax")),
    "dstack": ("vectors", lambda x: torch.dstack([x, x]).mean(-1)),
    "dsplit": ("rows", lambda x: torch.dsplit(x, [2])[1]),
    "adaptive_avg_pool1d over units": ("rows", lambda x: F.adaptive_avg_pool1d(x, 3)),
    "max_pool1d over units": ("rows", lambda x: F.max_pool1d(x, 2)),
    "fixed matrix": ("rows", lambda x: torch.ones(2, 6) @ x.mT),
    "attention to units": (
        "rows",
        lambda x: F.scaled_dot_product_attention(torch.ones(4, 2, 5), torch.ones(4, 6, 5), x.mT),
    ),
    "local_response_norm": ("images", lambda x: F.local_response_norm(x, 3)),
    "pixel_shuffle of two": ("images", lambda x: F.pixel_shuffle(torch.cat([x, x], 1), 2)),
}


@pytest.mark.parametrize("name", FROZEN)
def test_units_that_are_combined_or_counted_do_not_grow(name: str) -> None:
    kind, operation = FROZEN[name]
    frozen(between(operation, kind))


class Bordered(nn.Module):
    """Two layers side by side; one reader reads all, the other up to a number in the code."""

    def __init__(self) -> None:
        super().__init__()
        self.before, self.behind = nn.Linear(3, 4), nn.Linear(3, 5)
        self.part, self.whole = nn.Linear(4, 2), nn.Linear(9, 2)

    def forward(self, x: Tensor) -> Tensor:
        both = torch.cat([self.before(x), self.behind(x)], 1)
        out: Tensor = self.part(both.narrow(1, 0, 4)) + self.whole(both)
        return out


def test_what_lies_behind_a_fixed_border_grows() -> None:
    model, inputs = Bordered(), torch.randn(4, 3)
    sites = growsearch.trace(model, inputs).sites
    assert (sites["before"].kind, sites["behind"].kind) == ("frozen", "exact")
    growsearch.grow(model, inputs, {"behind": 2}, how="random")
