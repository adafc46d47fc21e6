"""Statistics over several batches, dense and matrix-free."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from growsearch import GrowthRefused, trace
from growsearch.growth.statistics import collect, sweep
from growsearch.growth.statistics.collect import batch_size
from growsearch.growth.statistics.depth_strength import depth_strengths
from growsearch.growth.statistics.triplets import gradient_triplets
from tests.growth.memory import LiveBytes
from tests.growth.tasks import Batch, batch_for, cnn, mlp, objective


def evaluated_cnn() -> nn.Module:
    """In eval mode, where batch normalisation does not depend on how the data are cut into batches."""
    return cnn().eval()


def cut(batch: Batch, *sizes: int) -> list[Batch]:
    return list(zip(batch[0].split(sizes), batch[1].split(sizes), strict=True))


def triplets(model: nn.Module, batches: list[Batch], units: int = 2) -> dict[str, Any]:
    graph = trace(model, batches[0][0])
    plan = dict.fromkeys(graph.sites, units)
    return gradient_triplets(model, graph, plan, objective, batches, torch.Generator().manual_seed(0))


@pytest.fixture(params=["dense", "matrix_free"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "matrix_free":
        monkeypatch.setattr(collect, "EXACT_SIDE", 0)
    return str(request.param)


@pytest.mark.parametrize("build", [mlp, evaluated_cnn], ids=["mlp", "cnn"])
def test_several_batches_equal_one_big_batch(way: str, build: Callable[[], nn.Module]) -> None:
    model = build()
    batch = batch_for(model, 24)
    whole = triplets(model, [batch])
    parts = triplets(model, cut(batch, 9, 12, 3))
    for name, (one,) in whole.items():
        (other,) = parts[name]
        assert torch.allclose(one.values, other.values, rtol=1e-3)
        assert torch.allclose(one.left, other.left, atol=1e-2)
        assert torch.allclose(one.right, other.right, atol=1e-2)
    # Negative control: a part is not the whole.
    (one,), (first,) = next(iter(whole.values())), next(iter(triplets(model, cut(batch, 9, 15)[:1]).values()))
    assert not torch.allclose(one.values, first.values, rtol=1e-2)


@pytest.mark.parametrize("build", [mlp, evaluated_cnn], ids=["mlp", "cnn"])
def test_matrix_free_finds_what_dense_finds(monkeypatch: pytest.MonkeyPatch, build: Callable[[], nn.Module]) -> None:
    model = build()
    batches = cut(batch_for(model, 24), 12, 12)
    dense = triplets(model, batches)
    monkeypatch.setattr(collect, "EXACT_SIDE", 0)
    free = triplets(model, batches)
    for name, (one,) in dense.items():
        (other,) = free[name]
        assert float((other.values**2).sum()) >= 0.995 * float((one.values**2).sum())


def test_depth_strengths_of_several_batches_equal_those_of_one() -> None:
    model = mlp()
    batch = batch_for(model, 24)
    places = trace(model, batch[0]).depth_sites
    whole = depth_strengths(model, places, objective, [batch])
    parts = depth_strengths(model, places, objective, cut(batch, 9, 12, 3))
    assert parts == pytest.approx(whole, rel=1e-4)
    assert all(value > 0 for value in whole.values())


@pytest.mark.parametrize("deep", [False, True], ids=["width", "depth"])
def test_activations_of_one_batch_are_gone_before_the_next(
    way: str, deep: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = sweep.capture
    alive: list[weakref.ref[Tensor]] = []
    captures = 0

    def watched(*args: Any, **kwargs: Any) -> Any:
        nonlocal captures
        captures += 1
        assert not [ref for ref in alive if ref() is not None]
        found = original(*args, **kwargs)
        for group in (found.inputs, found.gradients, found.outputs):
            alive.extend(weakref.ref(tensor) for tensor in group.values())
        return found

    monkeypatch.setattr(sweep, "capture", watched)
    model = mlp()
    batches = cut(batch_for(model, 24), 8, 8, 8)
    if deep:
        depth_strengths(model, trace(model, batches[0][0]).depth_sites, objective, batches)
    else:
        triplets(model, batches)
    assert captures >= 3 and len(alive) >= 2 * captures


def test_the_memory_of_a_pass_does_not_grow_with_the_number_of_batches(way: str) -> None:
    """Twelve batches of 2,000 samples take little more than one, whose activations are most of it."""
    model = mlp()
    peaks = {}
    for count in (1, 12):
        batches = cut(batch_for(model, 2000 * count), *[2000] * count)
        graph = trace(model, batches[0][0])
        with LiveBytes() as live:
            gradient_triplets(model, graph, {"first": 2, "second": 2}, objective, batches, torch.Generator())
        peaks[count] = live.peak
    activations = 4 * 2000 * (4 + 6 + 3)
    assert peaks[1] > activations
    assert peaks[12] < 1.1 * peaks[1]


def test_the_size_of_a_batch_is_that_of_its_first_tensor() -> None:
    x = torch.zeros(5, 2)
    assert [batch_size(b) for b in (x, (x, 3), {"a": 1, "b": x}, [{"c": (x,)}], "text", torch.tensor(1.0))] == [
        5,
        5,
        5,
        5,
        1,
        1,
    ]


@pytest.mark.parametrize("result", [torch.ones(3, requires_grad=True), torch.tensor(1.0), 0.5])
def test_an_objective_must_return_one_differentiable_number(result: Any) -> None:
    model = mlp()
    graph = trace(model, batch_for(model)[0])
    with pytest.raises(GrowthRefused, match="one differentiable number"):
        gradient_triplets(model, graph, {"first": 1}, lambda m, b: result, [batch_for(model)], torch.Generator())


def test_an_objective_that_does_not_reach_a_layer_is_refused() -> None:
    model = mlp()
    graph = trace(model, batch_for(model)[0])

    def early(m: nn.Module, b: Batch) -> Tensor:
        return m.get_submodule("first")(b[0]).sum()

    with pytest.raises(GrowthRefused, match="'second'|'head'"):
        gradient_triplets(model, graph, {"first": 1, "second": 1}, early, [batch_for(model)], torch.Generator())
