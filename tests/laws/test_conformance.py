"""Everything installed keeps the laws that a plug-in has to keep."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from growsearch.data.digits import Digits
from growsearch.data.teacher_student import TeacherStudent
from growsearch.data.text import Text
from growsearch.growth import Initializer, Scheduler, Selector
from growsearch.growth.policy import strategy
from growsearch.networks.gpt import GPT
from growsearch.networks.lenet import LeNet5
from growsearch.networks.llama import Llama
from growsearch.networks.small_cnn import SmallCNN
from growsearch.networks.vit import ViT
from growsearch.optimizers import OptimizerRecord, offered_names
from growsearch.registry import lookup, names
from growsearch.tasks import Classification, Language, Regression
from growsearch.testing import (
    DataSourceLaws,
    InitializerLaws,
    NetworkLaws,
    OperationLaws,
    OptimizerLaws,
    SchedulerLaws,
    SelectorLaws,
    TaskLaws,
)
from tests.laws.settings import cheap


class TestInitializers(InitializerLaws):
    @pytest.fixture(params=names("how"))
    def how(self, request: pytest.FixtureRequest) -> Initializer:
        return strategy(Initializer, "how", cheap("how", request.param))  # type: ignore[type-abstract]


class TestSelectors(SelectorLaws):
    @pytest.fixture(params=names("where"))
    def where(self, request: pytest.FixtureRequest) -> Selector:
        return strategy(Selector, "where", cheap("where", request.param))  # type: ignore[type-abstract]

    @pytest.fixture(params=["random", "identity"])
    def how(self, request: pytest.FixtureRequest) -> str:
        """One that widens and one that deepens: `test_combinations` has every pair."""
        found: str = request.param
        return found


class TestSchedulers(SchedulerLaws):
    @pytest.fixture(params=names("when"))
    def when(self, request: pytest.FixtureRequest) -> Scheduler:
        return strategy(Scheduler, "when", cheap("when", request.param))  # type: ignore[type-abstract]


class TestActivations(OperationLaws):
    @pytest.fixture(params=[nn.ReLU(), nn.Tanh(), nn.GELU(), nn.Dropout(0.5), nn.LeakyReLU()], ids=str)
    def model(self, request: pytest.FixtureRequest) -> nn.Module:
        return nn.Sequential(nn.Linear(4, 5), request.param, nn.Linear(5, 3)).double()


class TestDigits(DataSourceLaws):
    source = Digits()


class TestTeacherStudent(DataSourceLaws):
    source = TeacherStudent()
    overlaps = True  # what the study reports is the final training loss


class TestText(DataSourceLaws):
    source = Text()


class TestSmallCNN(NetworkLaws):
    network, input_shape = SmallCNN(width=0.25), (1, 8, 8)


class TestLeNet5(NetworkLaws):
    network, input_shape = LeNet5(width=0.5), (1, 28, 28)


class TestGPT(NetworkLaws):
    network, input_shape, tokens = GPT(depth=2, embedding=16, mlp_ratio=2), (6,), True


class TestLlama(NetworkLaws):
    network, input_shape, tokens = Llama(depth=2, embedding=16, heads=4, key_value_heads=2), (6,), True


class TestViT(NetworkLaws):
    network, input_shape = ViT(depth=2, embedding=16, heads=2, mlp_ratio=2), (1, 8, 8)


class TestOptimizers(OptimizerLaws):
    @pytest.fixture(params=offered_names())
    def subject(self, request: pytest.FixtureRequest) -> OptimizerRecord:
        momentum = {"momentum": 0.9} if request.param in ("sgd", "rmsprop") else {}
        record: OptimizerRecord = lookup("optimizers", request.param)(lr=0.01, **momentum)
        return record


def drawn(*shape: int, below: int | None = None) -> Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    return (
        torch.randn(shape, generator=generator) if below is None else torch.randint(below, shape, generator=generator)
    )


class TestClassification(TaskLaws):
    task, input_shape, outputs = Classification(), (2,), 3

    @pytest.fixture
    def batch(self) -> tuple[Tensor, Tensor, Tensor]:
        return drawn(8, 2), drawn(8, 3), drawn(8, below=3)


class TestRegression(TaskLaws):
    task, input_shape, outputs = Regression(), (2,), 3

    @pytest.fixture
    def batch(self) -> tuple[Tensor, Tensor, Tensor]:
        return drawn(8, 2), drawn(8, 3), drawn(8, 4)[:, :3]


class TestLanguage(TaskLaws):
    task, input_shape, outputs = Language(unit="character"), (5,), 7

    @pytest.fixture
    def batch(self) -> tuple[Tensor, Tensor, Tensor]:
        return drawn(8, 5, below=7), drawn(8, 5, 7), drawn(8, 5, below=7)
