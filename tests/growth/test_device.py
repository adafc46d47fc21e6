from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import growsearch
from growsearch.growth.device import full_precision


def switches() -> tuple[str, str, bool, bool]:
    """The switches of TF32, of both generations; torch has the newer ones from 2.9 on."""
    cudnn, products = torch.backends.cudnn, torch.backends.cuda.matmul
    newer: Any = (cudnn.conv, products) if hasattr(cudnn, "conv") else ()  # type: ignore[attr-defined]
    convolutions, of_products = (each.fp32_precision for each in newer) if newer else ("none", "none")
    return convolutions, of_products, cudnn.allow_tf32, products.allow_tf32


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    convolutions, products = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    yield
    torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = convolutions, products


@pytest.mark.parametrize("allowed", [True, False])
def test_tf32_is_off_inside_and_as_it_was_afterwards(allowed: bool) -> None:
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = allowed
    before = switches()

    with full_precision():
        inside = switches()

    assert "tf32" not in inside[:2] and inside[2:] == (False, False)
    assert switches() == before
    assert before[2:] == (allowed, allowed)


@pytest.mark.parametrize("precision", ["highest", "high", "medium"])
def test_the_precision_of_products_is_as_it_was(precision: str) -> None:
    torch.set_float32_matmul_precision(precision)
    try:
        with full_precision():
            assert switches()[1] in ("ieee", "none") and not switches()[3]
        assert torch.get_float32_matmul_precision() == precision
    finally:
        torch.set_float32_matmul_precision("highest")


def test_tf32_comes_back_after_a_failure() -> None:
    torch.backends.cudnn.allow_tf32 = True

    with pytest.raises(ValueError, match="failed"), full_precision():
        raise ValueError("failed")

    assert torch.backends.cudnn.allow_tf32


def test_growth_measures_in_full_precision() -> None:
    torch.backends.cudnn.allow_tf32 = True
    seen: list[bool] = []

    def objective(model: nn.Module, batch: Tensor) -> Tensor:
        seen.append(torch.backends.cudnn.allow_tf32)
        return (model(batch) ** 2).mean()

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    batch = torch.randn(8, 4)
    growsearch.grow(model, batch, {"0": 1}, "gradmax", objective=objective, batches=[batch])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    grower = growsearch.Grower(
        model, optimizer, batch, objective=objective, batches=[batch], when={"schedule": {"steps": [1]}}, how="gradmax"
    )
    grower.step()

    assert len(seen) >= 4 and not any(seen)
    assert torch.backends.cudnn.allow_tf32


def test_only_what_growing_takes_counts_as_its_seconds() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    grower = growsearch.Grower(model, None, torch.randn(2, 4), when={"schedule": {"steps": [2]}}, how="zero")

    first = grower.step(), grower.seconds
    second = grower.step(), grower.seconds

    assert first == (None, 0.0)
    assert second[0] is not None and second[1] >= second[0].seconds > 0
