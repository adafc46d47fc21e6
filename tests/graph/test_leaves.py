"""A module counts as torch's own only where nothing but torch's code runs in it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from growsearch.graph import trace
from growsearch.graph.leaves import is_leaf

IMAGE = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def standardised(weight: Tensor) -> Tensor:
    return weight - weight.mean((1, 2, 3), keepdim=True)


class OwnConvForward(nn.Conv2d):
    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return super()._conv_forward(x, standardised(weight), bias)


class Mixin:
    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return F.conv2d(x, standardised(weight), bias)


class FromMixin(Mixin, nn.Conv2d):
    pass


class OwnWeight(nn.Conv2d):
    @property
    def weight(self) -> Tensor:
        found = self._parameters.get("weight")
        if found is None:
            raise AttributeError("weight")
        return standardised(found)


class OwnAccess(nn.Conv2d):
    def __getattr__(self, name: str) -> object:
        found = super().__getattr__(name)
        return standardised(found) if name == "weight" else found


def shadowed(*sizes: int) -> nn.Module:
    layer = nn.Conv2d(*sizes)
    layer._conv_forward = lambda x, weight, bias: F.conv2d(x, standardised(weight), bias)
    return layer


class OnlyBorders(nn.Conv2d):
    """Pads by itself; the weight is used as it is."""

    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return super()._conv_forward(F.pad(x, (1, 1, 1, 1)), weight, bias)


class AnyInput(nn.BatchNorm2d):
    def _check_input_dim(self, x: Tensor) -> None:
        pass


class OwnStart(nn.Conv2d):
    def reset_parameters(self) -> None:
        nn.init.ones_(self.weight)

    def extra_repr(self) -> str:
        return "ones"


def net(layer: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 6, 1), layer, nn.Conv2d(5, 4, 1))


@pytest.mark.parametrize("make", [OwnConvForward, FromMixin, OwnWeight, OwnAccess, shadowed])
def test_a_weight_computed_in_a_method_that_torch_calls_freezes(make: Callable[..., nn.Module]) -> None:
    sites = trace(net(make(6, 5, 1)), IMAGE).sites

    assert {name: (site.kind, site.reason) for name, site in sites.items()} == {
        "0": ("frozen", "reduced by mean at '1'"),
        "1": ("frozen", "a weight that other operations compute is used by conv2d at '1'"),
    }


@pytest.mark.parametrize(
    "layer",
    [OnlyBorders(6, 5, 1), nn.Sequential(nn.Conv2d(6, 5, 1), AnyInput(5)), OwnStart(6, 5, 1)],
)
def test_own_methods_that_use_weights_as_they_are_keep_sites_exact(layer: nn.Module, grown_difference) -> None:
    difference, graph = grown_difference(net(layer), IMAGE)

    assert {site.kind for site in graph.sites.values()} == {"exact"}
    assert difference < 6e-6


def test_methods_that_no_forward_reaches_leave_a_module_one_call() -> None:
    assert is_leaf(OwnStart(6, 5, 1))
    assert not is_leaf(AnyInput(5))
    assert not is_leaf(OwnConvForward(6, 5, 1))


def in_place(layer: nn.Module, *_: object) -> None:
    with torch.no_grad():
        layer.weight.copy_(standardised(layer.weight))


def by_data(layer: nn.Module, *_: object) -> None:
    layer.weight.data = layer.weight.data / 2


def replaced(layer: nn.Module, *_: object) -> None:
    layer.weight = nn.Parameter(standardised(layer.weight))


@pytest.mark.parametrize(
    ("hook", "reason"),
    [
        (in_place, "reduced by mean"),
        (by_data, "no rule for torch.Tensor.data.__set__"),
        (replaced, "1.weight is parametrised"),
    ],
)
@pytest.mark.parametrize("when", ["register_forward_pre_hook", "register_forward_hook"])
def test_hooks_that_change_a_weight_freeze_what_they_read(hook: Callable[..., None], reason: str, when: str) -> None:
    model = net(nn.Conv2d(6, 5, 1))
    getattr(model[1], when)(partial(hook))

    site = trace(model, IMAGE).sites["0"]

    assert site.kind == "frozen"
    assert reason in site.reason
