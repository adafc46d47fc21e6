"""Law 1: a function-preserving growth leaves the outputs as they are, in train and in eval mode."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import growsearch
from growsearch import GrowthRefused
from growsearch.registry import lookup
from growsearch.surgery import outputs_of, relative_difference
from tests.laws.models import LAYERS, PATTERNS, SEEDS, Subject, randomise
from tests.laws.settings import hows, is_exact
from tests.laws.torchvision_models import TORCHVISION

QUICK = {"steps": 2, "iterations": 1, "trials": 2}
ROUNDING = 1e-15
NEEDS_KNOWN_LAYERS = ("gradmax", "gauss_newton", "steepest_split", "tiny")
"""Initializers that compute with the layers around a site themselves: they may refuse layers that are not torch's."""


EVERY = [(subject, how) for subject in PATTERNS + LAYERS + TORCHVISION for how in hows()]
DEEP = [(subject, how) for subject in SEEDS for how in ("zero", "split", "gradmax", "identity")]
"""The seed networks repeat the blocks of the others many times: zeros, copies, computed weights and layers will do."""


@pytest.fixture(scope="module")
def network(request: pytest.FixtureRequest) -> Iterator[tuple[Subject, nn.Module]]:
    """One network for all initializers: each grows it further."""
    torch.manual_seed(0)
    model = request.param.build()
    randomise(model)
    # In float32, batch normalisation over few values blows rounding errors up beyond any tolerance.
    yield request.param, model.double()


def objective(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    return F.cross_entropy(model(batch[0]), batch[1])


def spec(how: str) -> dict[str, dict[str, int]]:
    fields = lookup("how", how).model_fields  # type: ignore[attr-defined]  # strategies are pydantic models
    return {how: {k: v for k, v in QUICK.items() if k in fields}}


@pytest.mark.parametrize(("network", "how"), EVERY + DEEP, indirect=["network"], ids=str)
def test_growth_preserves_the_outputs(network: tuple[Subject, nn.Module], how: str) -> None:
    subject, model = network
    x = torch.randn(subject.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    batch = (x, torch.arange(len(x)) % 4)
    graph = growsearch.trace(model, x)
    deep = lookup("how", how).deepens()  # type: ignore[attr-defined]  # strategies are pydantic models
    places = list(graph.depth_sites) if deep else [n for n, s in graph.sites.items() if s.kind == "exact"]
    chosen = places[:: max(1, len(places) // subject.sites)][: subject.sites]
    if not chosen:
        pytest.skip("no layer behind which one can be inserted")
    before = [outputs_of(model, x, training) for training in (False, True)]
    # After many growths, normalisation over two values can blow up rounding even in float64.
    rounded = x * (1 + ROUNDING * torch.randn(x.shape, generator=torch.Generator().manual_seed(2), dtype=x.dtype))
    sensitivity = [relative_difference(b, outputs_of(model, rounded, bool(m))) for m, b in enumerate(before)]
    # All at once where every site can be grown this way, else those that can.
    for places in [chosen] if how not in NEEDS_KNOWN_LAYERS else [chosen, *([place] for place in chosen)]:
        try:
            event = growsearch.grow(
                model, x, dict.fromkeys(places, 1 if deep else 2), spec(how), objective=objective, batches=[batch]
            )
        except GrowthRefused as error:
            # A layer or a way through which new units cannot be followed may be refused, with a way out.
            assert how in NEEDS_KNOWN_LAYERS and "how:" in str(error)
            continue
        assert event.parameters_after > event.parameters_before
        for training, old in zip((False, True), before, strict=True):
            # An initializer that changes the function on purpose must give a network that runs.
            tolerance = max(1e-5, 10 * sensitivity[training]) if is_exact(how) else float("inf")
            assert relative_difference(old, outputs_of(model, x, training)) < tolerance, (places, training)
        break


def test_a_growth_that_does_not_preserve_shows() -> None:
    """Negative control: outgoing weights that are not zero change the outputs."""
    subject = PATTERNS[1]
    torch.manual_seed(0)
    model = subject.build()
    randomise(model)
    x = torch.randn(subject.shape)
    before = outputs_of(model, x, training=False)
    growsearch.grow(model, x, {"stem": 2}, "zero")
    assert relative_difference(before, outputs_of(model, x, training=False)) < 1e-5
    with torch.no_grad():
        model.get_submodule("head").weight[:, -2:] += 0.1
    assert relative_difference(before, outputs_of(model, x, training=False)) > 1e-3
