"""What every initializer has to keep."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

import pytest
import torch
from torch import Tensor, nn
from torch.optim import Adam

from growsearch.errors import GrowthFailed
from growsearch.graph import Site, trace
from growsearch.growth import GrowthEvent, Initializer, grow
from growsearch.growth.policy import strategy as made
from growsearch.surgery import BlockInsertion, Insertion, outputs_of, relative_difference, rename
from growsearch.testing.subjects import CHAIN, SUBJECTS, Subject, objective
from growsearch.testing.training import GrowingRun, resumed, same

_ADDED = 2


class InitializerLaws:
    """Subclass it and set `strategy` to what a `Grower` takes as `how`: an object, a name, or `{name: parameters}`."""

    strategy: ClassVar[Any]

    @pytest.fixture
    def how(self) -> Initializer:
        """The initializer under test; override it to try several."""
        found: Initializer = made(Initializer, "how", self.strategy)  # type: ignore[type-abstract]
        return found

    @pytest.fixture(params=(*SUBJECTS, CHAIN), ids=str)
    def subject(self, request: pytest.FixtureRequest, how: Initializer) -> Subject:
        """The network that grows: a chain of blocks where blocks are copied."""
        found: Subject = request.param
        if how.stacks() and not found.block_site:
            pytest.skip("it has no blocks to copy")
        return found

    def test_an_exact_growth_keeps_the_outputs(self, how: Initializer, subject: Subject) -> None:
        """In train and in evaluation mode, all sites at once; where it is not exact, the network has to run."""
        # In float32, batch normalisation over few values blows rounding errors up beyond any tolerance.
        model = subject.model(torch.float64)
        inputs = subject.batch(dtype=torch.float64)[0]
        before = [outputs_of(model, inputs, training) for training in (False, True)]

        event = _grow(how, subject, model, dtype=torch.float64)

        assert event.parameters_after > event.parameters_before
        tolerance = 1e-5 if how.exact else float("inf")
        for training, old in zip((False, True), before, strict=True):
            assert relative_difference(old, outputs_of(model, inputs, training)) < tolerance

    def test_as_many_units_as_asked_for_are_made(self, how: Initializer, subject: Subject) -> None:
        """Or one layer, or blocks, where it grows depth."""
        model = subject.model()

        event = _grow(how, subject, model)

        assert event.sites == _asked(how, subject)
        assert event.parameters_after == sum(p.numel() for p in model.parameters())

    def test_every_new_unit_learns(self, how: Initializer, subject: Subject) -> None:
        """After a few steps no new unit is where it began: zeros on both sides would stay."""
        if how.deepens():
            pytest.skip("it makes layers")
        model = subject.model()
        _grow(how, subject, model)
        sites = trace(model, subject.batch()[0]).sites
        before = {name: _units(model, sites[name]) for name in subject.sites}
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for step in range(4):
            optimizer.zero_grad()
            torch.autograd.backward(objective(model, subject.batch(step)))
            optimizer.step()

        for name in subject.sites:
            moved = (_units(model, sites[name]) - before[name]).abs().amax(1)
            assert bool((moved[-_ADDED:] > 0).all()), name

    def test_a_growth_that_fails_leaves_no_trace(self, how: Initializer, subject: Subject) -> None:
        """Model, optimizer and global random state are bit for bit as they were."""
        model = subject.model()
        optimizer = _trained(model, subject)
        before = _snapshot(model, optimizer)
        failing = mock.patch("growsearch.growth.step.recalibrate", side_effect=GrowthFailed("on purpose"))

        with failing, pytest.raises(GrowthFailed, match="on purpose"):
            _grow(how, subject, model, optimizer)

        assert same(_snapshot(model, optimizer), before)

    def test_old_optimizer_state_is_kept(self, how: Initializer, subject: Subject) -> None:
        """And every parameter of the grown network is in the optimizer, in the groups that there were."""
        model = subject.model()
        optimizer = _trained(model, subject)
        before = {name: copy.deepcopy(optimizer.state[p]) for name, p in model.named_parameters()}
        groups = list(optimizer.param_groups)

        event = _grow(how, subject, model, optimizer)

        assert all(now is old for now, old in zip(optimizer.param_groups, groups, strict=True))
        held = {id(p) for group in groups for p in group["params"]}
        assert held == {id(p) for p in model.parameters()}
        moved = [edit for edit in event.edits if isinstance(edit, Insertion | BlockInsertion)]
        for name, state in before.items():
            parameter = model.get_parameter(rename(name, moved))
            for key, old in state.items():
                new = optimizer.state[parameter][key]
                if old.ndim == new.ndim:
                    assert torch.equal(new[tuple(slice(size) for size in old.shape)], old) or old.ndim == 0, (name, key)

    def test_the_same_seed_makes_the_same_units(self, how: Initializer, subject: Subject) -> None:
        """Whatever the state of the global random generator, which stays as it is."""
        states = []
        for other in (1, 2):
            model = subject.model()
            torch.manual_seed(other)
            drawn = torch.get_rng_state()
            _grow(how, subject, model)
            assert torch.equal(torch.get_rng_state(), drawn)
            states.append(dict(model.state_dict()))

        assert same(*states)

    def test_a_run_is_resumed_bit_for_bit(self, how: Initializer, subject: Subject, tmp_path: Path) -> None:
        """Stopped between two events, it ends as the run that was not."""
        policy = {"how": how, "amount": 0.5, "seed": 3}
        whole = GrowingRun(subject, **policy)
        events = whole.train(6)

        again = resumed(3, 6, tmp_path / "checkpoint.pt", subject, **policy)

        assert [event.refused for event in events] == [None] * 3
        assert same(again.state(), whole.state())


def _asked(how: Initializer, subject: Subject) -> dict[str, int]:
    if how.stacks():
        return {subject.block_site: _ADDED}
    return {subject.depth_site: 1} if how.deepens() else dict.fromkeys(subject.sites, _ADDED)


def _grow(
    how: Initializer,
    subject: Subject,
    model: nn.Module,
    optimizer: torch.optim.Optimizer | None = None,
    dtype: torch.dtype = torch.float32,
) -> GrowthEvent:
    """Grow all sites of `subject` at once.

    Args:
        how: the initializer.
        subject: what `model` is one of.
        model: grown in place.
        optimizer: whose state follows.
        dtype: of the data.
    """
    batches = [subject.batch(seed, dtype=dtype) for seed in range(100, 108)]
    inputs = subject.batch(dtype=dtype)[0]
    asked = _asked(how, subject)
    return grow(model, inputs, asked, how, optimizer, objective=objective, batches=batches, seed=5, report=None)


def _trained(model: nn.Module, subject: Subject) -> Adam:
    optimizer = Adam(model.parameters(), lr=0.01)
    torch.autograd.backward(objective(model, subject.batch()))
    optimizer.step()
    optimizer.zero_grad()
    return optimizer


def _snapshot(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    return {
        "model": {name: tensor.clone() for name, tensor in model.state_dict().items()},
        "parameters": [id(p) for p in model.parameters()],
        "optimizer": copy.deepcopy(optimizer.state_dict()),
        "random": torch.get_rng_state(),
        "modes": [module.training for module in model.modules()],
    }


def _units(model: nn.Module, site: Site) -> Tensor:
    """All weights of every unit, one row each."""
    tensors = dict(model.named_parameters())
    rows = []
    for use in site.axes:
        if use.role in ("out", "in"):
            for run in use.runs:
                own = tensors[use.tensor].detach().movedim(use.axis, 0)[run.span(site.units)]
                rows.append(own.reshape(site.units, -1))
    return torch.cat(rows, 1).clone()
