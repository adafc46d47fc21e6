"""What every selector has to keep."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

import pytest

from growsearch.errors import GrowthFailed
from growsearch.growth import Selector
from growsearch.growth.policy import strategy as made
from growsearch.testing.subjects import SUBJECTS, Subject
from growsearch.testing.training import GrowingRun, resumed, same

_STEPS = 6  # with an event after every second one


class SelectorLaws:
    """Subclass it and set `strategy` to what a `Grower` takes as `where`: object, name, or `{name: parameters}`."""

    strategy: ClassVar[Any]

    @pytest.fixture
    def where(self) -> Selector:
        """The selector under test; override it to try several."""
        found: Selector = made(Selector, "where", self.strategy)  # type: ignore[type-abstract]
        return found

    @pytest.fixture(params=["zero", "random", "split", "identity"])
    def how(self, request: pytest.FixtureRequest) -> str:
        """An initializer beside it."""
        found: str = request.param
        return found

    @pytest.fixture(params=SUBJECTS[:3:2], ids=str)
    def subject(self, request: pytest.FixtureRequest) -> Subject:
        """The network that grows."""
        found: Subject = request.param
        return found

    def test_it_grows(self, where: Selector, how: str, subject: Subject) -> None:
        """No event is refused, and the network changes where the budget has room."""
        run = GrowingRun(subject, where=where, how=how, budget={"units": 6})
        before = sum(p.numel() for p in run.model.parameters())

        events = run.train(_STEPS)

        assert events and all(event.refused is None for event in events)
        assert sum(p.numel() for p in run.model.parameters()) != before

    def test_a_budget_of_units_is_kept(self, where: Selector, how: str, subject: Subject) -> None:
        """Over all events together."""
        events = GrowingRun(subject, where=where, how=how, budget={"units": 3}).train(_STEPS)

        assert sum(sum(event.sites.values()) - sum(event.removed.values()) for event in events) <= 3

    def test_a_budget_of_parameters_is_kept(self, where: Selector, how: str, subject: Subject) -> None:
        """After every event, in the parameters that are active."""
        seed = sum(p.numel() for p in subject.model().parameters())
        run = GrowingRun(subject, where=where, how=how, budget={"parameters": int(1.3 * seed)})

        for event in run.train(_STEPS):
            assert event.active_after is not None and event.active_after <= int(1.3 * seed)

    def test_a_site_that_is_not_named_stays(self, where: Selector, how: str, subject: Subject) -> None:
        """Only what `sites` names may change."""
        if how == "identity":
            pytest.skip("it makes layers")
        run = GrowingRun(subject, where=where, how=how, sites=[next(iter(subject.sites))])
        widths = {name: site.width for name, site in run.grower.graph.sites.items()}

        run.train(_STEPS)

        after = {name: site.width for name, site in run.grower.graph.sites.items()}
        assert {name for name in widths if after[name] != widths[name]} <= {next(iter(subject.sites))}

    def test_an_event_that_fails_leaves_no_trace(self, where: Selector, how: str, subject: Subject) -> None:
        """The network is bit for bit as it was: choosing changes nothing."""
        run = GrowingRun(subject, where=where, how=how, when={"schedule": {"steps": [2]}})
        run.train(1)
        expected = GrowingRun(subject, where=where, how=how, when="never")
        expected.train(2)

        with mock.patch("growsearch.growth.step.recalibrate", side_effect=GrowthFailed("on purpose")):
            (event,) = run.train(1)

        assert event.refused == "on purpose" and event.sites == {}
        assert same(run.state()["model"], expected.state()["model"])

    def test_a_run_is_resumed_bit_for_bit(self, where: Selector, how: str, subject: Subject, tmp_path: Path) -> None:
        """What it remembers between events is in the checkpoint."""
        policy = {"where": where, "how": how, "budget": {"units": 6}, "seed": 3}
        whole = GrowingRun(subject, **policy)
        whole.train(_STEPS)

        again = resumed(3, _STEPS, tmp_path / "checkpoint.pt", subject, **policy)

        assert same(again.state(), whole.state())
