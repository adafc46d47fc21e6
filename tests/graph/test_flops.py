"""The formulas that are kept here are those of torch."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from growsearch.graph import flops
from growsearch.graph.flops import formula_of, is_composite

_aten = torch.ops.aten


class _Both(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.own: list[int] = []
        self.torch: list[int] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        output = func(*args, **(kwargs or {}))
        if func._overloadpacket in flops._own():
            self.own.append(formula_of(func)(*args, **(kwargs or {}), out_val=output))
            self.torch.append(flop_registry[func._overloadpacket](*args, **(kwargs or {}), out_val=output))
        return output


@pytest.mark.parametrize(
    "layer",
    [
        nn.Linear(6, 5),
        nn.Conv2d(6, 4, (3, 2), stride=2, padding=1),
        nn.Conv2d(6, 4, 3, groups=2, dilation=2),
        nn.ConvTranspose2d(6, 3, 3, stride=2),
        nn.ConvTranspose2d(6, 4, 3, groups=2),
    ],
)
def test_layers_forward_and_backward(layer: nn.Module) -> None:
    x = torch.randn(2, 7, 6) if isinstance(layer, nn.Linear) else torch.randn(2, 6, 9, 8)
    with _Both() as counter:
        layer(x.requires_grad_()).sum().backward()
    assert counter.own == counter.torch
    assert len(counter.own) >= 2


@pytest.mark.parametrize("mask", [(True, False, False), (False, True, False), (True, True, True)])
def test_only_the_gradients_that_are_asked_for_count(mask: tuple[bool, bool, bool]) -> None:
    x, weight, grad = torch.randn(2, 3, 6), torch.randn(4, 3, 3), torch.randn(2, 4, 4)
    with _Both() as counter:
        _aten.convolution_backward(grad, x, weight, [4], [1], [0], [1], False, [0], 1, list(mask))
    assert counter.own == counter.torch


def test_products_of_stacks() -> None:
    a, b = torch.randn(3, 2, 5), torch.randn(3, 5, 4)
    with _Both() as counter:
        torch.bmm(a, b)
        torch.baddbmm(torch.zeros(3, 2, 4), a, b)
    assert counter.own == counter.torch == [2 * 3 * 2 * 5 * 4] * 2


def test_what_else_counts_is_torchs() -> None:
    attention = _aten._scaled_dot_product_flash_attention_for_cpu.default
    assert formula_of(attention) is flop_registry[_aten._scaled_dot_product_flash_attention]  # one for both
    assert formula_of(_aten.relu.default) is None
    assert is_composite(_aten.linear.default)
    assert not is_composite(_aten.mm.default)


def test_what_a_user_registered_counts() -> None:
    @torch.library.custom_op("growsearch_test::twice", mutates_args=())
    def twice(x: Tensor) -> Tensor:
        return 2 * x

    from torch.utils.flop_counter import register_flop_formula

    @register_flop_formula(torch.ops.growsearch_test.twice)
    def _formula(shape: tuple[int, ...], out_shape: tuple[int, ...], **kwargs: object) -> int:
        return 7

    assert formula_of(torch.ops.growsearch_test.twice.default)(torch.zeros(1), out_val=torch.zeros(1)) == 7  # type: ignore[misc]
