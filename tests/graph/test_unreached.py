"""Parameters that no run reaches stay as they are; the rest grows, with one warning."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import Tensor, nn

import growsearch
from growsearch.errors import TraceWarning
from growsearch.graph import trace

INPUTS = torch.randn(5, 4, generator=torch.Generator().manual_seed(3))


class Masked(nn.Module):
    """The mask token is used for masked inputs only."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.a, self.b, self.mask_token = nn.Linear(4, 6), nn.Linear(6, 3), nn.Parameter(torch.zeros(1, width))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        if mask is not None:
            x = torch.where(mask, self.mask_token, x)
        return self.b(self.a(x).relu())


class Beside(Masked):
    """The token has the width of the scale beside it, which is used."""

    def __init__(self) -> None:
        super().__init__(6)
        self.scale = nn.Parameter(torch.ones(6))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        h = self.a(x) * self.scale
        return self.b(h if mask is None else torch.where(mask, self.mask_token, h))


class Spare(nn.Module):
    """A head that no run uses; with `shared`, its weight is that of the used one."""

    def __init__(self, shared: bool) -> None:
        super().__init__()
        self.a, self.used, self.spare = nn.Linear(4, 6), nn.Linear(6, 2, bias=False), nn.Linear(6, 2, bias=False)
        if shared:
            self.spare.weight = self.used.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.used(self.a(x))


def test_the_rest_of_a_model_grows_and_the_parameter_stays() -> None:
    model = Masked()
    before = model(INPUTS)

    with pytest.warns(TraceWarning, match=r"no run reached the parameters 'mask_token': they stay as they are"):
        growsearch.grow(model, INPUTS, {"a": 2})

    torch.testing.assert_close(model(INPUTS), before)
    assert (model.a.out_features, model.mask_token.shape) == (8, (1, 4))


def test_a_grower_warns_once_and_grows_again_and_again() -> None:
    model = Masked()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.warns(TraceWarning) as caught:
        grower = growsearch.Grower(
            model,
            optimizer,
            INPUTS,
            objective=lambda net, batch: net(batch).square().mean(),
            batches=[INPUTS],
            when={"interval": {"every": 1, "count": 2}},
            where="uniform",
            how="gradmax",
            budget={"width": 2.0},
        )
        events = [event for _ in range(3) if (event := grower.step())]

    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert len(events) == 2
    assert not any(event.refused for event in events)
    assert model.a.out_features == 12


def test_what_a_tensor_beside_it_shares_does_not_grow() -> None:
    with pytest.warns(TraceWarning):
        site = trace(Beside(), INPUTS).sites["a"]

    assert (site.kind, site.reason) == ("frozen", "no run reached mask_token, which may go with scale")


def test_a_spare_module_is_named_unless_its_weight_is_used_elsewhere() -> None:
    with pytest.warns(TraceWarning, match="'spare.weight'"):
        apart = trace(Spare(shared=False), INPUTS).sites["a"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        shared = trace(Spare(shared=True), INPUTS).sites["a"]

    assert (apart.kind, shared.kind) == ("exact", "exact")
    assert next(use for use in shared.axes if use.role == "in").aliases == ("used.weight", "spare.weight")


def test_a_further_example_that_reaches_it_ends_the_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trace(Masked(), [(INPUTS,), (INPUTS, INPUTS > 0)])


def test_the_warning_tells_why_training_mode_did_not_help() -> None:
    class TrainingOnly(Masked):
        def forward(self, x: Tensor) -> Tensor:
            if self.training:
                raise ValueError("no training today")
            return super().forward(x)

    with pytest.warns(TraceWarning, match="'mask_token'.*In training mode.*no training today"):
        trace(TrainingOnly(), INPUTS)
