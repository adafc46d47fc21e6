"""Law 9: after any growth and a few steps of training every new unit has moved, or the growth is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import growsearch
from growsearch import GrowthRefused
from growsearch.growth.learning import require_learning
from growsearch.growth.units import SiteEnds
from tests.growth.tasks import batch_for, cnn, mlp, objective
from tests.laws.settings import cheap, grows_depth, hows, is_exact

HOW = [name for name in hows() if not grows_depth(name)]
Setting = tuple[Callable[[], nn.Module], str, list[str], list[str]]


class TwoWays(nn.Module):
    """A site with two producers and two consumers."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.other = nn.Linear(4, 5), nn.Linear(4, 5)
        self.left, self.right = nn.Linear(5, 3), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu(self.one(x) + self.other(x.flip(1)))
        return self.left(h) + torch.tanh(self.right(h))


def two_ways() -> nn.Module:
    torch.manual_seed(0)
    return TwoWays()


def smooth() -> nn.Module:
    return mlp(act=nn.Tanh)


SETTINGS: dict[str, Setting] = {
    "mlp": (mlp, "first", ["first"], ["second"]),
    "smooth": (smooth, "first", ["first"], ["second"]),
    "cnn": (cnn, "conv1", ["conv1", "norm"], ["conv2"]),
    "flatten": (cnn, "conv2", ["conv2"], ["head"]),
    "two_ways": (two_ways, "one", ["one", "other"], ["left", "right"]),
}
FROZEN = ["consumers", "one consumer", "producers", "one producer"]
FREEZING = [
    *((how, frozen, "requires_grad") for how in HOW for frozen in ["nothing", *FROZEN]),
    *((how, frozen, "optimizer") for how in ("zero", "split") for frozen in FROZEN),
]
"""An initializer is told what trains, not what holds the rest back."""


def grown(
    setting: Setting, how: str, frozen: str, by: str
) -> tuple[nn.Module, growsearch.Site, torch.optim.Optimizer, str | None]:
    """The model after a growth with some layers frozen, its site, and the reason where it was refused."""
    build, site, producers, consumers = setting
    model = build()
    layers = {
        "nothing": [],
        "consumers": consumers,
        "one consumer": consumers[:1],
        "producers": producers,
        "one producer": producers[:1],
    }[frozen]
    held = [p for n, p in model.named_parameters() if n.partition(".")[0] not in layers]
    if by == "requires_grad":
        for name in layers:
            model.get_submodule(name).requires_grad_(False)
    optimizer = torch.optim.SGD(held if by == "optimizer" else model.parameters(), lr=0.1)
    # A layer that reads more numbers than there are samples can do all that the loss asks for: `tiny` adds nothing.
    size = 96 if how == "tiny" else 16
    batch, reason = batch_for(model if build is not two_ways else mlp(), size), None
    try:
        growsearch.grow(
            model, batch[0], {site: 2}, cheap("how", how), optimizer, objective=objective, batches=[batch, batch, batch]
        )
    except GrowthRefused as error:
        reason = str(error)
    return model, growsearch.trace(model, batch[0]).sites[site], optimizer, reason


def units(model: nn.Module, site: growsearch.Site) -> Tensor:
    """All weights of every unit, one row each."""
    tensors = dict(model.named_parameters())
    rows = []
    for use in site.axes:
        if use.role in ("out", "in"):
            for run in use.runs:
                own = tensors[use.tensor].detach().narrow(use.axis, run.offset, site.units * run.repeat)
                rows.append(own.movedim(use.axis, 0).reshape(site.units, -1))
    return torch.cat(rows, 1).clone()


def stays(how: str, frozen: str, by: str, setting: Setting) -> list[int]:
    """The new units that training does not move; none where the growth was refused for a reason that names the site."""
    model, site, optimizer, reason = grown(setting, how, frozen, by)
    if reason is not None:
        assert reason.startswith(f"site {setting[1]!r}") and frozen != "nothing"
        return []
    before = units(model, site)
    batch = batch_for(model) if setting[0] is not two_ways else batch_for(mlp())
    for _ in range(4):
        optimizer.zero_grad()
        objective(model, batch).backward()
        optimizer.step()
    moved = (units(model, site) - before).abs().amax(1)
    assert len(moved) >= 6 or setting[0] is two_ways
    return [unit for unit in range(len(moved) - 2, len(moved)) if moved[unit] == 0]


@pytest.mark.parametrize(("how", "frozen", "by"), FREEZING)
def test_every_new_unit_learns(how: str, frozen: str, by: str) -> None:
    for name, setting in SETTINGS.items():
        assert stays(how, frozen, by, setting) == [], name


WITHOUT_ZEROS = ("split", "copy_width", "variance_transfer")
"""Neither side of their new units starts at zero."""


@pytest.mark.parametrize("how", [name for name in HOW if is_exact(name) and name not in WITHOUT_ZEROS])
def test_zeros_move_to_the_side_that_trains(how: str) -> None:
    """Where that preserves the function, nothing is refused."""
    for frozen in ("consumers", "producers"):
        for name in ("mlp", "smooth", "cnn", "flatten"):
            model, site, _, reason = grown(SETTINGS[name], how, frozen, "requires_grad")
            assert reason is None and site.units == 6, (frozen, name)
            weight = model.get_submodule(site.axes[0].module).weight.detach()
            assert bool((weight[-2:].abs() < 1e-6).all()) == (frozen == "consumers"), (frozen, name)


def test_where_zeros_cannot_move_the_reason_is_given() -> None:
    model = nn.Sequential(nn.Linear(4, 6), nn.Sigmoid(), nn.Linear(6, 3))
    model[2].requires_grad_(False)
    with pytest.raises(GrowthRefused, match="'2.weight' is not trained.* is 0.5 at 0"):
        growsearch.grow(model, torch.randn(5, 4), {"0": 2}, "zero")
    model[0].requires_grad_(False)
    with pytest.raises(GrowthRefused, match="none of its weights .'0.weight'; '2.weight'. is trained"):
        growsearch.grow(model, torch.randn(5, 4), {"0": 2}, "zero", torch.optim.SGD(model.parameters(), lr=0.1))


def test_copies_that_could_never_differ_are_refused() -> None:
    model = mlp()
    model.get_submodule("first").requires_grad_(False)
    with pytest.raises(GrowthRefused, match="a copy would compute the same"):
        growsearch.grow(model, batch_for(model)[0], {"first": 2}, "split")


def test_units_of_any_strategy_that_could_not_learn_are_refused() -> None:
    """Whatever an initializer proposes is looked at: here it does not know what trains."""
    model = mlp()
    graph = growsearch.trace(model, batch_for(model)[0])
    ends = SiteEnds(model, graph, graph.sites["first"])
    dead = ends.candidates("outgoing", [torch.randn(2, 4)])
    trained = frozenset(n for n, _ in model.named_parameters())
    require_learning(model, graph, dead, trained)
    with pytest.raises(GrowthRefused, match="get no gradient, because the others start at zero"):
        require_learning(model, graph, dead, trained - {"second.weight"})


def test_a_model_of_which_nothing_is_trained_yet_grows() -> None:
    """Without an optimizer nothing says what will train."""
    model = mlp().requires_grad_(False)
    assert growsearch.grow(model, batch_for(model)[0], {"first": 2}, "zero").sites == {"first": 2}
