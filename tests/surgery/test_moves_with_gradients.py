"""A tensor that is re-indexed is the same whether gradients go through it or not."""

from __future__ import annotations

import pytest
import torch

from growsearch.surgery.moves import Move
from growsearch.surgery.reindex import move


@pytest.mark.parametrize("fill", [0.0, 2.0, "tensor"])
@pytest.mark.parametrize("axis", [0, 1])
def test_a_move_is_the_same_with_gradients(axis: int, fill: float | str) -> None:
    torch.manual_seed(0)
    tensor = torch.randn(4, 4, 3, dtype=torch.float64)
    source = (0, 2, -1, 1, 1, -1, -1)
    shape = (3, 4, 3) if axis == 0 else (4, 3, 3)
    given = torch.randn(shape, dtype=torch.float64) if isinstance(fill, str) else fill
    step = Move(axis, source, given, scale=(1.0, 2.0, 1.0, 0.5, 0.5, 1.0, 1.0))
    expected = move(tensor, step)
    leaf = tensor.clone().requires_grad_()
    if isinstance(given, torch.Tensor):
        given.requires_grad_()
    found = move(leaf, step)
    assert found.requires_grad and torch.equal(found, expected)
    weights = torch.randn_like(found)
    (by_tensor,) = torch.autograd.grad((found * weights).sum(), leaf, retain_graph=True)
    along = weights.movedim(axis, 0)
    own = torch.stack([along[0], 0.5 * (along[3] + along[4]), 2.0 * along[1], torch.zeros_like(along[0])])
    torch.testing.assert_close(by_tensor.movedim(axis, 0), own)
    if isinstance(given, torch.Tensor):
        (by_fill,) = torch.autograd.grad((found * weights).sum(), given)
        torch.testing.assert_close(by_fill.movedim(axis, 0), along[[2, 5, 6]])
