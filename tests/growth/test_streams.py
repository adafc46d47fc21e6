"""Growing the stream keeps the function, lets the new channels learn, and comes back from a checkpoint."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
import torch
from torch import nn

import growsearch
from growsearch import GrowthRefused
from growsearch.graph import trace
from growsearch.growth import Grower
from growsearch.surgery import (
    Transaction,
    apply_edits,
    changed_attributes,
    outputs_of,
    rebuild,
    relative_difference,
    site_edits,
)
from tests.streams import OffsetRms, OwnLayerNorm, OwnRms, Stream, built, tokens

FORMS: list[dict[str, Any]] = [
    {},
    {"tied": True},
    {"scaled": True},
    {"raw": True},
    {"bias": False},
    {"norm": OwnLayerNorm},
    {"norm": nn.RMSNorm, "tied": True},
    {"norm": OwnRms, "scaled": True, "post": True},
    {"norm": OffsetRms, "raw": True},
]


def outputs(model: nn.Module) -> list[Any]:
    return [outputs_of(model, tokens(), training) for training in (False, True)]


def differences(model: nn.Module, before: list[Any]) -> list[float]:
    return [relative_difference(old, new) for old, new in zip(before, outputs(model), strict=True)]


def grow(model: nn.Module, units: int = 3, how: Any = "zero", **others: int) -> growsearch.GrowthEvent:
    return growsearch.grow(model, tokens(), {"tokens": units, **others}, how, report=None)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
@pytest.mark.parametrize("options", FORMS, ids=str)
def test_five_events_in_a_row_keep_the_function(options: dict[str, Any], dtype: torch.dtype, tolerance: float) -> None:
    model = built(dtype, **options)
    before = outputs(model)

    for units, how in zip((3, 1, 4, 2, 5), ("zero", "random") * 3, strict=False):
        grow(model, units, how, **{"up.0": 2})

    assert trace(model, tokens()).sites["tokens"].width == 8 + 15
    assert max(differences(model, before)) < tolerance


@pytest.mark.parametrize("options", FORMS, ids=str)
def test_new_channels_learn(options: dict[str, Any]) -> None:
    """What writes to them moves, and to each differently: in the last layer once its readers are no longer 0."""
    model = built(**options)
    grow(model)
    before = [layer.weight.detach().clone() for layer in model.down]
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    for _ in range(3):
        optimizer.zero_grad()
        torch.autograd.backward(model(tokens()).square().mean())
        optimizer.step()
    for layer, old in zip(model.down, before, strict=True):
        moved = (layer.weight.detach() - old)[8:]
        assert bool((moved.abs().amax(1) > 0).all())
        assert not torch.allclose(moved[0], moved[1], rtol=1e-3)


def test_without_the_change_of_the_norms_the_function_changes() -> None:
    """Negative control: the eps alone, and the writers alone, show."""
    for spoil in ("eps", "writer"):
        model = built()
        before = outputs(model)
        grow(model)
        with torch.no_grad():
            if spoil == "eps":
                model.norm.eps = 1e-5
            else:
                model.down[0].weight[8:] += 0.1
        assert max(differences(model, before)) > 1e-8


def test_eps_and_weights_of_the_norms_follow() -> None:
    model = built()
    weight = model.norm.weight.detach().clone()
    grow(model, 8)
    assert model.norm.eps == pytest.approx(0.5e-5)
    assert torch.allclose(model.norm.weight[:8], weight * 0.5**0.5)
    assert bool((model.norm.bias[8:] == 0).all())


def test_a_grown_stream_comes_back_from_its_seed() -> None:
    model = built(norm=nn.RMSNorm)
    seed = copy.deepcopy(model)
    event = grow(model)
    attributes = json.loads(json.dumps(changed_attributes(event.edits)))  # as network.json has them
    assert attributes["norm.eps"] == pytest.approx(torch.finfo(torch.float64).eps * 8 / 11)

    again = rebuild(seed, [], model.state_dict(), attributes)

    assert differences(again, outputs(model)) == [0, 0]


def test_a_rollback_takes_the_eps_back() -> None:
    model = built(norm=OwnRms)
    before = outputs(model)
    with Transaction(model) as transaction:
        site = trace(model, tokens()).sites["tokens"]
        transaction.apply(site_edits(site, (*range(8), -1, -1)))
        assert model.norm.variance_epsilon == pytest.approx(0.8e-6)
        transaction.rollback()
    assert model.norm.variance_epsilon == 1e-6
    assert differences(model, before) == [0, 0]


def test_copies_of_every_channel_change_no_norm() -> None:
    """Mean and variance of doubled channels are what they were, and the consumers' columns are shared out."""
    model = built()
    before = outputs(model)
    apply_edits(model, site_edits(trace(model, tokens()).sites["tokens"], (*range(8), *range(8))))
    assert model.norm.eps == 1e-5
    assert max(differences(model, before)) < 1e-12


@pytest.mark.parametrize("how", ["gradmax", "gradmax_opt", "split", "firefly", "gauss_newton"])
def test_initializers_that_choose_what_is_written_refuse(how: str) -> None:
    model = built()
    with pytest.raises(GrowthRefused, match="'tokens'.*all of its channels"):
        growsearch.grow(
            model,
            tokens(),
            {"tokens": 2},
            how,
            objective=lambda net, batch: net(batch).square().mean(),
            batches=[tokens()],
            report=None,
        )


def test_a_stream_to_which_nothing_trained_writes_is_refused() -> None:
    model = built(tied=False)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name == "head.weight")
    with pytest.raises(GrowthRefused, match="nothing that writes to it is trained"):
        grow(model)


def test_a_policy_grows_the_stream_where_it_is_named() -> None:
    for sites, names in ((None, {"up.0", "up.1"}), (["tokens", "up.*"], {"tokens", "up.0", "up.1"})):
        model: Stream = built()
        grower = Grower(
            model, torch.optim.Adam(model.parameters()), tokens(), when={"interval": {"every": 1}}, sites=sites
        )
        event = grower.step()
        assert event is not None and event.refused is None
        assert set(event.sites) == names
        assert grower.architecture()["attributes"].keys() == (
            {"norms.0.eps", "norms.1.eps", "norm.eps"} if sites else set()
        )
