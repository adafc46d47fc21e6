"""The matrix of GradMax for two convolutions beside second derivatives, at strides, paddings and dilations."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from growsearch.growth.statistics.taps import Geometry, tap_matrix


def geometry(kernel: int, stride: int, padding: int, dilation: int) -> Geometry:
    return Geometry((kernel,), (stride,), (padding,), (dilation,))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (geometry(3, 1, 1, 1), geometry(3, 1, 1, 1)),  # all taps at once
        (geometry(3, 2, 1, 1), geometry(3, 2, 1, 1)),
        (geometry(2, 3, 0, 1), geometry(3, 1, 2, 1)),  # tap by tap: a stride wider than the kernel
        (geometry(3, 1, 2, 2), geometry(2, 1, 0, 1)),  # and dilation
        (geometry(3, 1, 1, 1), geometry(3, 2, 2, 2)),
        (geometry(1, 1, 0, 1), geometry(1, 1, 0, 1)),
    ],
)
def test_entries_are_the_second_derivatives_of_the_loss(first: Geometry, second: Geometry) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(3, 2, 11, generator=generator, dtype=torch.float64)
    one = [*first.stride, *first.padding, *first.dilation]
    two = [*second.stride, *second.padding, *second.dilation]
    incoming = torch.zeros(1, 2, *first.kernel, dtype=torch.float64, requires_grad=True)
    grid = F.conv1d(x, incoming, None, *one)
    shape = F.conv1d(grid, torch.zeros(4, 1, *second.kernel, dtype=torch.float64), None, *two).shape
    g = torch.randn(shape, generator=generator, dtype=torch.float64)

    found = tap_matrix(x, g, first, second, tuple(grid.shape[2:]))

    for channel in range(4):
        for tap in range(second.kernel[0]):
            outgoing = torch.zeros(4, 1, *second.kernel, dtype=torch.float64)
            outgoing[channel, 0, tap] = 1
            loss = (g * F.conv1d(F.conv1d(x, incoming, None, *one), outgoing, None, *two)).sum()
            (expected,) = torch.autograd.grad(loss, incoming)
            torch.testing.assert_close(found[channel, tap], expected[0])
