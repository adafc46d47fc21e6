"""Arguments that nothing can be done with are refused by calls from Python, before anything is done."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import growsearch
from growsearch import InputError

INPUTS = torch.randn(6, 8)
BATCH = (INPUTS, torch.arange(6) % 4)


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))


def objective(model: nn.Module, batch: Any) -> Tensor:
    return nn.functional.cross_entropy(model(batch[0]), batch[1])


def grower(**given: Any) -> growsearch.Grower:
    model = network()
    usual: dict[str, Any] = {
        "optimizer": torch.optim.SGD(model.parameters(), 0.1),
        "example_inputs": INPUTS,
        "objective": objective,
        "batches": [BATCH],
        "when": {"interval": {"every": 1}},
        "how": "gradmax",
    }
    return growsearch.Grower(model, **usual | given)


def grow(units: Any, **given: Any) -> growsearch.GrowthEvent:
    return growsearch.grow(network(), INPUTS, units, **given)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: grow(3), "units: 3 is not allowed: give a mapping, such as"),
        (lambda: grow(None), "units: None is not allowed: give a mapping, such as"),
        (
            lambda: grow({"0": 1}, optimizer=torch.optim.SGD),
            "optimizer: .* is not allowed: give a torch.optim.Optimizer",
        ),
        (lambda: grow({"0": 1}, optimizer=["sgd"]), "optimizer: .* is not allowed: give a torch.optim.Optimizer"),
        (lambda: grow({"0": 1}, seed="a"), "seed: 'a' is not allowed: give a whole number"),
        (lambda: grower(budget=100), "budget: 100 is not allowed: give a mapping, such as"),
        (lambda: grower(budget={"parameters": "many"}), "budget parameters: 'many' is not allowed: give a number"),
        (lambda: grower(budget={"parameters": 0}), "budget parameters: 0 is not allowed: give a number above 0"),
        (lambda: grower(seed="a"), "seed: 'a' is not allowed: give a whole number"),
        (lambda: grower(seed=1.5), "seed: 1.5 is not allowed: give a whole number"),
        (
            lambda: grower(seed=2**63),
            "seed: 9223372036854775808 is not allowed: give a whole number of at most 63 bits",
        ),
        (
            lambda: grower(statistics_batches=0),
            "statistics_batches: 0 is not allowed: give a whole number of at least 1",
        ),
        (lambda: grower(batches=iter([BATCH])), "batches: a list_iterator can be gone through once only"),
        (lambda: growsearch.SoftGrower(network(), "sgd", INPUTS), "optimizer: 'sgd' is not allowed"),  # type: ignore[arg-type]
        (lambda: growsearch.save(network(), "file.pt"), "model: str is no torch.nn.Module: the order is save"),  # type: ignore[arg-type]
        (lambda: growsearch.save(3, network()), "path: 3 is not allowed: give a path"),  # type: ignore[arg-type]
    ],
)
def test_what_a_network_cannot_be_grown_by_is_refused(call: Callable[[], Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        call()


def test_what_no_run_can_be_made_of_is_refused(tmp_path: Path) -> None:
    calls: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any], str]] = [
        (growsearch.compare, (None, tmp_path), {}, "None is no search space: give a file"),
        (growsearch.compare, ("quickstart", None), {}, "folder: None is not allowed: give a path"),
        (growsearch.compare, ("quickstart", tmp_path), {"workers": -1}, "workers: -1 is not allowed"),
        (growsearch.run_search, (3, tmp_path), {}, "3 is no search space: give a file"),
        (
            growsearch.run_search,
            ("digits_policies", tmp_path),
            {"budget": 20},
            "budget: 20 is not allowed: give a mapping",
        ),
        (growsearch.run_search, ("digits_policies", tmp_path), {"workers": 0}, "workers: 0 is not allowed"),
    ]
    for call, given, named, said in calls:
        with pytest.raises(InputError, match=said):
            call(*given, **named)
    assert not list(tmp_path.iterdir())
