"""Negative controls: plug-ins that break a law are told so."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from growsearch.data import DataSet, DataSource
from growsearch.data.digits import Digits
from growsearch.errors import GrowthRefused
from growsearch.graph import Step, Value, rule
from growsearch.growth import Candidate, GrowthContext, Progress, Scheduler
from growsearch.optimizers import Fill
from growsearch.optimizers.sgd import SGD
from growsearch.tasks import Regression
from growsearch.testing import (
    DataSourceLaws,
    InitializerLaws,
    OperationLaws,
    OptimizerLaws,
    SchedulerLaws,
    SelectorLaws,
    TaskLaws,
)
from growsearch.testing.subjects import SUBJECTS
from growsearch_strategies.how.random import Random
from growsearch_strategies.how.zero import Zero
from growsearch_strategies.where.uniform import Uniform

SUBJECT = SUBJECTS[0]


class Jumps(Random):
    """Says that it is exact, and is not."""

    def propose(self, plan: Mapping[str, int], context: GrowthContext) -> list[Candidate]:
        with torch.no_grad():
            context.model.get_parameter("head.bias").add_(1)
        return super().propose(plan, context)


class Forgets(Zero):
    """One unit less than it was asked for."""

    def propose(self, plan: Mapping[str, int], context: GrowthContext) -> list[Candidate]:
        return super().propose({name: units - 1 for name, units in plan.items()}, context)


class Global(Random):
    """Draws from the global generator."""

    def propose(self, plan: Mapping[str, int], context: GrowthContext) -> list[Candidate]:
        torch.rand(1)
        return super().propose(plan, context)


@pytest.mark.parametrize(
    ("law", "how"),
    [
        ("test_an_exact_growth_keeps_the_outputs", Jumps()),
        ("test_as_many_units_as_asked_for_are_made", Forgets()),
        ("test_the_same_seed_makes_the_same_units", Global()),
        ("test_a_growth_that_fails_leaves_no_trace", Jumps()),
    ],
)
def test_an_initializer_that_breaks_a_law(law: str, how: Any) -> None:
    with pytest.raises(AssertionError):
        getattr(InitializerLaws(), law)(how, SUBJECT)


class Greedy(Uniform):
    """Does not look at the budget."""

    def plan(self, context: GrowthContext) -> dict[str, int]:
        return dict.fromkeys(context.names, 5)

    def select(self, candidates: Sequence[Candidate], context: GrowthContext) -> list[Candidate]:
        return list(candidates)


@pytest.mark.parametrize("law", ["test_a_budget_of_units_is_kept", "test_a_budget_of_parameters_is_kept"])
def test_a_selector_that_breaks_a_law(law: str) -> None:
    with pytest.raises(AssertionError):
        getattr(SelectorLaws(), law)(Greedy(), "zero", SUBJECT)


class Restless(Scheduler):
    """Another answer each time."""

    summary: ClassVar[str] = ""
    source: ClassVar[str] = ""
    calls: ClassVar[Any] = itertools.count()

    def due(self, progress: Progress) -> bool:
        return next(self.calls) % 2 == 0


def test_a_scheduler_that_breaks_a_law(tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        SchedulerLaws().test_asking_changes_nothing(Restless())


class Shuffled(DataSource):
    """Other samples at each loading."""

    def load(self, seed: int) -> DataSet:
        data = Digits().load(seed)
        order = torch.randperm(len(data.train))
        return replace(data, train=type(data.train)(data.train.inputs[order], data.train.targets[order]))


class Leaks(DataSource):
    """The training samples as test."""

    def load(self, seed: int) -> DataSet:
        data = Digits().load(seed)
        return replace(data, test=data.train)


@pytest.mark.parametrize(
    ("law", "source"),
    [
        ("test_it_is_loaded_the_same_every_time", Shuffled()),
        ("test_no_sample_is_in_two_splits", Leaks()),
    ],
)
def test_a_data_set_that_breaks_a_law(law: str, source: DataSource) -> None:
    with pytest.raises(AssertionError):
        getattr(DataSourceLaws(), law)(source)


class LastBatch(Regression):
    """Forgets that a mean over batches of different sizes is none over samples."""

    def totals(self, outputs: torch.Tensor, targets: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"loss": self.criterion(outputs, targets) * 2}


def test_a_task_that_breaks_a_law() -> None:
    laws = TaskLaws()
    laws.task = LastBatch()  # type: ignore[misc]
    batch = (torch.zeros(6, 2), torch.arange(6.0)[:, None], torch.zeros(6, 1))
    with pytest.raises(AssertionError):
        laws.test_an_evaluation_does_not_depend_on_the_size_of_its_batches(batch)


class Forgetful(SGD):
    """Names no state."""

    state: ClassVar[Mapping[str, Fill]] = {}


@pytest.mark.parametrize("law", ["test_it_is_found_and_names_all_state", "test_what_a_growth_keeps_and_what_is_new"])
def test_a_record_that_breaks_a_law(law: str) -> None:
    with pytest.raises((AssertionError, GrowthRefused, KeyError)):
        getattr(OptimizerLaws(), law)(Forgetful(lr=0.1, momentum=0.9))


class Mixed(nn.Module):
    """Every channel is that before it too; its rule says otherwise, and has a wrong derivative."""

    def forward(self, x: Tensor) -> Tensor:
        return x + x.roll(1, -1)


def test_an_operation_that_breaks_a_law() -> None:
    @rule("mixed", modules=(Mixed,), linearise=lambda path, call, values: 2 * values[0], scalar=True, per_unit=True)
    def mixed(step: Step) -> list[Value]:
        return step.output(step.input.axes)

    model = nn.Sequential(nn.Linear(4, 5), Mixed(), nn.Linear(5, 3)).double()
    for law in (
        "test_each_unit_depends_on_itself_alone_where_it_says_so",
        "test_its_derivative_is_that_of_a_small_step",
    ):
        with pytest.raises(AssertionError):
            getattr(OperationLaws(), law)(model)
