"""Networks that draw noise as wide as their layers grow, and the comparison still sees what growth changes."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import growsearch
from growsearch import GrowthFailed
from growsearch.growth.check import both_outputs
from growsearch.growth.noise import SteadyNoise
from growsearch.surgery import relative_difference

DRAWS: dict[str, Callable[[Tensor], Tensor]] = {
    "randn_like": lambda x: x + 0.1 * torch.randn_like(x),
    "rand of a shape": lambda x: x * (0.5 + torch.rand(x.shape)),
    "randint": lambda x: x * torch.randint(1, 3, x.shape),
    "randint_like": lambda x: x * torch.randint_like(x, 1, 3),
    "bernoulli": lambda x: x * torch.bernoulli(torch.full_like(x, 0.6)) / 0.6,
    "bernoulli_": lambda x: x * torch.empty_like(x).bernoulli_(0.6) / 0.6,
    "normal_ in place": lambda x: x + torch.empty_like(x).normal_(0, 0.1),
    "exponential_": lambda x: x * torch.empty_like(x).exponential_(),
    "torch.normal": lambda x: x + torch.normal(torch.zeros_like(x), 0.1),
    "gumbel_softmax": lambda x: x * F.gumbel_softmax(torch.ones(len(x), 1).expand_as(x), dim=0),
    "a dropout of one's own": lambda x: x * (torch.rand_like(x) > 0.4) / 0.6,
    "dropout by torch": lambda x: torch.dropout(x, 0.4, True),
    "rrelu": lambda x: F.rrelu(x, training=True),
    "Python's random": lambda x: x if random.random() < 0.5 else 2 * x,
    "NumPy's random": lambda x: x * float(np.random.rand()),
}


class Noisy(nn.Module):
    def __init__(self, draw: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.a, self.b, self.draw = nn.Linear(4, 6), nn.Linear(6, 3), draw

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.a(x)
        return self.b(torch.tanh(self.draw(hidden) if self.training else hidden))


def prepared(draw: Callable[[Tensor], Tensor]) -> tuple[Noisy, Tensor]:
    torch.manual_seed(0)
    return Noisy(draw), torch.randn(5, 4)


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS.keys())
def test_noise_that_follows_the_width_does_not_stop_growth(draw: Callable[[Tensor], Tensor]) -> None:
    model, x = prepared(draw)
    before = model.eval()(x)

    event = growsearch.grow(model, x, {"a": 2})

    assert event.output_change is not None and event.output_change < 1e-5
    assert model.a.out_features == 8
    assert torch.allclose(model.eval()(x), before, atol=1e-6)


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS.keys())
def test_drawing_is_as_before_once_a_network_has_grown(draw: Callable[[Tensor], Tensor]) -> None:
    """The generators that training draws from do not move, and noise is noise again."""
    model, x = prepared(draw)
    torch.manual_seed(1), random.seed(1), np.random.seed(1)
    expected = torch.rand(1), random.random(), np.random.rand()
    torch.manual_seed(1), random.seed(1), np.random.seed(1)

    growsearch.grow(model, x, {"a": 2})

    assert (torch.rand(1), random.random(), np.random.rand()) == expected


def test_a_change_that_shows_in_train_mode_only_is_still_seen_through_noise() -> None:
    class Centred(Noisy):
        def forward(self, x: Tensor) -> Tensor:
            hidden = self.draw(self.a(x))
            return self.b(hidden + float(hidden.detach().sum()) if self.training else hidden)

    torch.manual_seed(0)
    model, x = Centred(DRAWS["randn_like"]), torch.randn(5, 4)

    with pytest.raises(GrowthFailed, match="in train mode it changed the outputs"):
        growsearch.grow(model, x, {"a": 2})
    assert model.a.out_features == 6


@pytest.mark.parametrize(
    "name", [name for name in DRAWS if "random" not in name and name not in ("dropout by torch", "rrelu")]
)
def test_steady_noise_is_one_number_a_sample_at_any_width(name: str) -> None:
    with SteadyNoise():
        for x in (torch.ones(3, 4), torch.ones(5, 2)):
            drawn = DRAWS[name](x)
            assert drawn.shape == x.shape and bool((drawn == drawn[:, :1]).all())
            assert drawn.is_contiguous()


MASKS: dict[str, Callable[[Tensor], Tensor]] = {
    "bernoulli": lambda x: torch.bernoulli(torch.full_like(x, 0.05)),
    "bernoulli_": lambda x: torch.empty_like(x).bernoulli_(0.05),
    "below": lambda x: torch.rand_like(x) < 0.05,
    "above": lambda x: torch.rand(x.shape) > 0.95,
}


@pytest.mark.parametrize("name", MASKS)
def test_a_rare_mask_hides_no_change(name: str) -> None:
    """Where every sample is dropped there is nothing to compare, and any change would pass."""

    class Halved(Noisy):
        def forward(self, x: Tensor) -> Tensor:
            hidden = self.a(x)
            if self.training:
                hidden = MASKS[name](hidden) * hidden * (1.0 if hidden.shape[1] == 6 else 0.5)
            return self.b(hidden)

    torch.manual_seed(0)
    model = Halved(DRAWS["randn_like"])
    with pytest.raises(GrowthFailed, match="in train mode it changed the outputs"):
        growsearch.grow(model, torch.randn(5, 4), {"a": 2})


def test_two_calls_draw_two_numbers() -> None:
    with SteadyNoise():
        assert float(torch.randn_like(torch.ones(3))[0]) != float(torch.randn_like(torch.ones(3))[0])


def test_outputs_are_compared_in_eval_mode_alone_where_train_mode_wants_more() -> None:
    """A detector wants targets to train; its class of exception is its own."""

    class Detector(Noisy):
        def forward(self, x: Tensor) -> Tensor:
            assert not self.training, "targets should not be None"
            return super().forward(x)

    torch.manual_seed(0)
    model, x = Detector(DRAWS["randn_like"]), torch.randn(5, 4)
    before = model.eval()(x)

    growsearch.grow(model, x, {"a": 2})

    assert both_outputs(model, x)[1] is None
    assert relative_difference(before.detach(), model(x).detach()) < 1e-5
