"""Who makes which kinds of candidates, who takes them, and what is said where that does not fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from unittest import mock

import pytest

from growsearch.errors import InputError
from growsearch.growth import (
    Candidate,
    GrowthContext,
    Initializer,
    Kinds,
    NewLayer,
    NewUnit,
    Policy,
    Removal,
    Rewiring,
    Selector,
    Split,
    StackedBlock,
)
from growsearch.growth.policy import strategy
from growsearch_strategies.how.firefly import Firefly
from growsearch_strategies.how.identity import Identity
from growsearch_strategies.how.split import Split as SplitUnits
from growsearch_strategies.how.zero import Zero
from growsearch_strategies.where.gauss_newton import GaussNewton
from growsearch_strategies.where.nest import NeST
from growsearch_strategies.where.uniform import Uniform
from tests.growth.tasks import grower_for, mlp


class Prunes(Selector):
    """Takes removals only."""

    summary: ClassVar[str] = ""
    source: ClassVar[str] = ""
    takes: ClassVar[Kinds] = frozenset({Removal})

    def plan(self, context: GrowthContext) -> dict[str, int]:
        return {}

    def select(self, candidates: Sequence[Candidate], context: GrowthContext) -> list[Candidate]:
        return []


class Undeclared(Zero):
    """Proposes a removal and does not say so."""

    def propose(self, plan: Mapping[str, int], context: GrowthContext) -> list[Candidate]:
        return [Removal(name, 0, 0, 0, 0) for name in plan]


@pytest.mark.parametrize(
    ("how", "made"),
    [
        (Zero(), {NewUnit}),
        (SplitUnits(), {Split}),
        (Identity(), {NewLayer}),
        (Firefly(), {NewUnit, Split}),
        (Firefly(layers=2), {NewUnit, Split, NewLayer}),
    ],
)
def test_an_initializer_says_what_it_makes(how: Initializer, made: set[type[Candidate]]) -> None:
    assert how.made() == made
    assert how.deepens() == (made == {NewLayer})


def test_a_selector_says_what_it_takes() -> None:
    assert Uniform.takes == {NewUnit, Split, NewLayer, StackedBlock}
    assert GaussNewton.takes == {NewUnit, Split, NewLayer, Removal}
    assert NeST.takes == {NewUnit, Split, NewLayer, Removal, Rewiring}


def test_a_pair_with_nothing_in_common_is_refused() -> None:
    with pytest.raises(InputError, match=r"Prunes takes Removal, and how zero makes NewUnit"):
        Policy.of("never", Prunes(), "zero")


def test_a_candidate_that_was_not_declared_is_refused() -> None:
    grower = grower_for(mlp(), when={"interval": {"every": 1}}, how=Undeclared())

    with pytest.raises(InputError, match=r"proposed Removal, and says that it makes NewUnit"):
        grower.step()


def test_a_plug_in_of_another_group_is_refused() -> None:
    def lookup(group: str, name: str) -> Any:
        return Zero

    with mock.patch("growsearch.growth.policy.lookup", lookup), pytest.raises(InputError, match="is no Selector"):
        strategy(Selector, "where", "zero")  # type: ignore[type-abstract]  # only used for isinstance
