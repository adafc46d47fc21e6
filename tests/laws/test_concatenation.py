"""Law 1 where sites meet: all exact sites of a concatenating network grow at once."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import growsearch
from growsearch import GrowthRefused
from growsearch.surgery import AxisEdit, outputs_of, relative_difference
from tests.laws.models import randomise
from tests.laws.settings import cheap, grows_depth, hows, is_exact


class TwoInOne(nn.Module):
    """Two sites in one batch normalisation."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(3, 5, 1)
        self.norm, self.head = nn.BatchNorm2d(9), nn.Conv2d(9, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(self.norm(torch.cat([self.a(x), self.b(x)], 1)))).mean((2, 3))


class Dense(nn.Module):
    """As in DenseNet: every layer normalises all that came before it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(4 + 3 * i) for i in range(4))
        self.layers = nn.ModuleList(nn.Conv2d(4 + 3 * i, 3, 3, padding=1, bias=False) for i in range(3))
        self.head = nn.Linear(13, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for norm, layer in zip(self.norms, self.layers, strict=False):
            x = torch.cat([x, layer(F.relu(norm(x)))], 1)
        return self.head(F.relu(self.norms[-1](x)).mean((2, 3)))


class Mixed(nn.Module):
    """As in MixNet: groups of channels with a kernel size each, normalised together, one of them twice."""

    def __init__(self) -> None:
        super().__init__()
        self.wide, self.narrow = nn.Conv2d(3, 3, 5, padding=2), nn.Conv2d(3, 4, 3, padding=1)
        self.first, self.second = nn.BatchNorm2d(10), nn.BatchNorm2d(7)
        self.head = nn.Linear(17, 4)

    def forward(self, x: Tensor) -> Tensor:
        wide, narrow = self.wide(x), self.narrow(x)
        one = torch.tanh(self.first(torch.cat([wide, narrow, wide], 1)))
        other = F.relu(self.second(torch.cat([narrow, wide], 1)))
        return self.head(torch.cat([one, other], 1).mean((2, 3)))


class SplitAndConcat(nn.Module):
    """A map cut into halves, one of which is transformed before they are put together again."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8)
        self.inner = nn.Conv2d(4, 5, 3, padding=1)
        self.both, self.head = nn.BatchNorm2d(9), nn.Conv2d(9, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        kept, changed = self.norm(self.stem(x)).chunk(2, 1)
        x = torch.cat([kept, self.inner(F.relu(changed))], 1)
        return self.head(F.relu(self.both(x))).mean((2, 3))


class OwnNorm(nn.Module):
    """A normalisation of the user's own, by a function over buffers with names of their own, called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.head = nn.Linear(6, 4), nn.Linear(6, 5), nn.Linear(9, 4)
        self.register_buffer("mean", torch.zeros(9))
        self.register_buffer("spread", torch.ones(9))

    def _norm(self, x: Tensor) -> Tensor:
        return F.batch_norm(x, self.mean, self.spread, training=self.training)

    def _features(self, x: Tensor) -> Tensor:
        return F.relu(self._norm(torch.cat([self.a(x), self.b(x)], 1)))

    def forward(self, x: Tensor) -> Tensor:
        x = x.mean(2).flatten(1)
        return self.head(self._features(x[:, :6]) + self._features(x[:, 6:]))


class OwnNormOnce(OwnNorm):
    """The same, called once."""

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self._features(x.mean(2).flatten(1)[:, :6]))


NETWORKS: list[Callable[[], nn.Module]] = [TwoInOne, Dense, Mixed, SplitAndConcat, OwnNormOnce]
HOW = [name for name in hows() if not grows_depth(name)]


def prepared(build: Callable[[], nn.Module]) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    model = build()
    randomise(model)
    with torch.no_grad():  # randomise knows torch's own normalisations only
        for name, buffer in model.named_buffers():
            if name.endswith(("var", "spread")):
                buffer.uniform_(0.5, 1.5)
    return model.double(), torch.randn(6, 3, 4, 4, dtype=torch.float64)


def objective(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    return F.cross_entropy(model(batch[0]), batch[1])


def statistics(model: nn.Module) -> dict[str, list[float]]:
    return {name: b.tolist() for name, b in model.named_buffers() if b.ndim == 1}


def grown_everywhere(model: nn.Module, x: Tensor, how: str, companion: nn.Module) -> growsearch.GrowthEvent | None:
    """The event; None where new units cannot be made or followed here and the refusal names the site."""
    sites = [name for name, site in growsearch.trace(model, x).sites.items() if site.kind == "exact"]
    assert len(sites) > 1
    batch = (x, torch.arange(len(x)) % 4)
    try:
        return growsearch.grow(
            model,
            x,
            dict.fromkeys(sites, 2),
            cheap("how", how),
            objective=objective,
            batches=[batch, batch, batch],
            companions=[companion],
        )
    except GrowthRefused as error:
        # TINY adds nothing where a layer can already do all that the loss asks for.
        nothing = how == "tiny" and "found nothing to add" in str(error)
        assert nothing or (how != "split" and str(error).startswith("site "))
        return None


@pytest.mark.parametrize("build", NETWORKS, ids=lambda build: build.__name__)
@pytest.mark.parametrize("how", HOW)
def test_sites_that_meet_grow_at_once(how: str, build: Callable[[], nn.Module]) -> None:
    model, x = prepared(build)
    companion = copy.deepcopy(model)
    with torch.no_grad():
        for tensor in (*companion.parameters(), *companion.buffers()):
            if tensor.is_floating_point():
                tensor.mul_(1.25)
    before = [outputs_of(model, x, training) for training in (False, True)]
    old, followed = statistics(model), statistics(companion)

    event = grown_everywhere(model, x, how, companion)

    if event is None:
        return
    for training, outputs in zip((False, True), before, strict=True):
        found = relative_difference(outputs, outputs_of(model, x, training))
        assert found < (1e-5 if is_exact(how) else float("inf"))
        assert event.output_change is not None and found <= event.output_change + 1e-12
    # Gauss-Newton's splits move the statistics of what they split, and say so in their edits.
    meant = {edit.tensor for edit in event.edits if isinstance(edit, AxisEdit) and edit.shift is not None}
    for now, was in ((statistics(model), old), (statistics(companion), followed)):
        assert [name for name, values in was.items() if name not in meant and kept(now[name], values) != values] == []
        # Gauss-Newton leaves out what it cannot judge.
        assert any(len(now[name]) > len(values) for name, values in was.items())


def kept(now: list[float], was: list[float]) -> list[float]:
    """What is left of the old values, in their order and bit for bit."""
    return [value for value in dict.fromkeys(now) if value in was]


def test_new_channels_take_the_statistics_of_the_data_where_they_come_to_lie() -> None:
    model, x = prepared(TwoInOne)
    companion = copy.deepcopy(model)
    growsearch.grow(model, x, {"a": 2, "b": 3}, "zero", companions=[companion])
    seen: list[Tensor] = []
    handle = model.get_submodule("norm").register_forward_pre_hook(lambda _, args: seen.append(args[0].detach()))
    model.train()(x)
    handle.remove()
    new = [4, 5, 11, 12, 13]
    for network in (companion, model.eval()):
        norm = network.get_submodule("norm")
        torch.testing.assert_close(companion.get_submodule("norm").running_mean[new], seen[0].mean((0, 2, 3))[new])
        torch.testing.assert_close(companion.get_submodule("norm").running_var[new], seen[0].var((0, 2, 3))[new])
        assert len(norm.running_mean) == 14


def test_functional_normalisations_take_the_mean_of_their_calls() -> None:
    model, x = prepared(OwnNorm)
    calls: list[Tensor] = []

    class Spy(OwnNorm):
        def _norm(self, x: Tensor) -> Tensor:
            calls.append(x.detach())
            return super()._norm(x)

    growsearch.grow(model, x, {"b": 2}, "zero")
    model.__class__ = Spy
    means, spreads = model.mean.clone(), model.spread.clone()
    model.train()(x)
    torch.testing.assert_close(means[9:], torch.stack([call.mean(0)[9:] for call in calls]).mean(0))
    torch.testing.assert_close(spreads[9:], torch.stack([call.var(0)[9:] for call in calls]).mean(0))


def test_an_event_reports_what_recalibration_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: statistics of an old channel that are written are seen, and rolled back."""
    model, x = prepared(TwoInOne)

    def wrong(model: nn.Module, *_: object) -> None:
        with torch.no_grad():
            model.get_submodule("norm").running_mean[0] += 1.0

    monkeypatch.setattr("growsearch.growth.step.recalibrate", wrong)
    old = model.get_submodule("norm").running_mean.clone()
    with pytest.raises(growsearch.GrowthFailed, match="in eval mode it changed the outputs"):
        growsearch.grow(model, x, {"a": 2}, "zero")
    assert torch.equal(model.get_submodule("norm").running_mean, old)
