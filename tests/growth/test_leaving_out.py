"""A site that fails its check, or that the initializer refuses, does not stop the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from growsearch import GrowthRefused
from growsearch.errors import GrowthWarning
from growsearch.growth import Candidate, Grower, GrowthContext, Initializer, Policy, Selector
from growsearch.surgery import outputs_of, relative_difference

X = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))


class Scaled(nn.Module):
    """A factor made from the first layer's size: it runs at every width, and is another function at each."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b, self.c, self.d = nn.Linear(4, 6), nn.Linear(6, 5), nn.Linear(5, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.a(x).relu()
        return self.d(self.c(self.b(hidden / hidden.shape[-1]).relu()).relu())


def grower_for(model: nn.Module, how: Any = "zero", **more: Any) -> Grower:
    when = {"interval": {"every": 1, "count": 3}}
    return Grower(model, None, X, when=when, how=how, budget={"width": 2.0}, **more)


def test_the_sites_that_fail_their_check_are_left_out_and_the_others_grow_in_the_same_event() -> None:
    model = Scaled()
    before = outputs_of(model, X, training=False)
    grower = grower_for(model)

    with pytest.warns(GrowthWarning, match=r"leaves out 'a': .*it changed the outputs") as told:
        event = grower.step()
    assert told[0].filename == __file__  # the line of the user's own loop

    assert event is not None and event.refused is None
    assert list(event.left_out) == ["a"] and set(event.sites) == {"b", "c"}
    assert relative_difference(before, outputs_of(model, X, training=False)) < 1e-5
    for _ in range(2):  # without another warning
        assert (later := grower.step()) is not None and not later.left_out
    assert [layer.out_features for layer in (model.a, model.b, model.c)] == [6, 10, 10]


def test_what_is_left_out_is_kept_with_the_growers_state() -> None:
    model = Scaled()
    grower = grower_for(model)
    with pytest.warns(GrowthWarning):
        grower.step()
    again = grower_for(model)

    again.load_state_dict(grower.state_dict())
    event = again.step()

    assert event is not None and event.refused is None and not event.left_out


def test_where_only_failing_sites_are_left_the_event_says_why() -> None:
    model = Scaled()
    grower = grower_for(model, sites=["a"])

    event = grower.step()

    assert event is not None and event.refused is not None and "changed the outputs" in event.refused
    assert model.a.out_features == 6


class Turns(Selector):
    """Takes one site an event, always the first that there is."""

    summary = source = ""

    def plan(self, context: GrowthContext) -> dict[str, int]:
        return dict.fromkeys(context.names[:1], 2)

    def select(self, candidates: Sequence[Candidate], context: GrowthContext) -> list[Candidate]:
        return list(candidates)


def test_a_policy_that_takes_one_site_an_event_goes_on_with_the_next_where_it_fails() -> None:
    model = Scaled()
    grower = grower_for(model, where=Turns())

    with pytest.warns(GrowthWarning, match=r"leaves out 'a': .*it changed the outputs"):
        event = grower.step()

    assert event is not None and list(event.left_out) == ["a"] and list(event.sites) == ["b"]


def test_where_every_site_fails_none_is_to_blame() -> None:
    model = Scaled()
    grower = grower_for(model, where=Turns())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("growsearch.growth.step.output_change", lambda *_: [0.5, 0.5])
        event = grower.step()

    assert event is not None and event.refused is not None and not event.left_out and not grower.left_out
    with pytest.warns(GrowthWarning, match="'a'"):
        assert (event := grower.step()) is not None and event.refused is None


class Picky(Initializer):
    """Refuses one site, as an initializer does that cannot follow what lies behind it."""

    summary = source = preserves = ""
    refuses: tuple[str, ...] = ("b",)

    def propose(self, plan: Any, context: GrowthContext) -> list[Candidate]:
        for name in plan:
            if name in self.refuses:
                raise GrowthRefused(f"site {name!r}: no way through")
        return Policy.of("never", "uniform", "zero").how.propose(plan, context)


def test_a_site_that_the_initializer_refuses_is_left_out() -> None:
    model = Scaled()
    grower = grower_for(model, Picky(), sites=["b", "c"])

    with pytest.warns(GrowthWarning, match="leaves out 'b': site 'b': no way through"):
        event = grower.step()

    assert event is not None and set(event.sites) == {"c"}
    assert (model.b.out_features, model.c.out_features > 5) == (5, True)


def test_an_initializer_that_refuses_every_site_is_an_error() -> None:
    grower = grower_for(Scaled(), Picky(refuses=("b", "c")), sites=["b", "c"])

    with pytest.raises(GrowthRefused, match="no way through"):
        grower.step()


class Gated(nn.Module):
    """A site behind a sigmoid, which is not 0 at 0, and one behind tanh."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(4, 6), nn.Linear(6, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.c(torch.tanh(self.b(torch.sigmoid(self.a(x)))))


def test_what_the_initializer_refuses_whatever_the_data_is_known_before_anyone_trains() -> None:
    model = Gated()

    with pytest.warns(GrowthWarning, match="leaves out 'a': .*is 0.5 at 0"):
        grower = grower_for(model, {"zero": {"side": "incoming"}})
    event = grower.step()

    assert event is not None and set(event.sites) == {"b"}
    with pytest.raises(GrowthRefused, match="is 0.5 at 0"):
        grower_for(model, {"zero": {"side": "incoming"}}, sites=["a"])


class Multiplied(nn.Module):
    """A site whose units are multiplied by each other, so without a gradient matrix, and a plain one."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 6), nn.Linear(4, 6)
        self.c, self.d = nn.Linear(6, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.d(self.c(self.a(x) * self.b(x)).relu())


def ranked(**more: Any) -> Grower:
    def objective(model: nn.Module, batch: Tensor) -> Tensor:
        return model(batch).square().mean()

    return grower_for(Multiplied(), where="singular_value", objective=objective, batches=[X], **more)


def test_a_site_that_the_selector_cannot_rank_is_left_out_before_training() -> None:
    with pytest.warns(GrowthWarning, match="leaves out 'a': .*and no where: singular_value"):
        grower = ranked()

    assert (event := grower.step()) is not None and set(event.sites) == {"c"}


def test_a_selector_that_can_rank_no_site_is_refused_before_training() -> None:
    with pytest.raises(GrowthRefused, match="'a': its units pass .*new units by each other.*no linear form at zero"):
        ranked(sites=["a"])
