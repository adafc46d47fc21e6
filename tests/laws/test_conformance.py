"""Everything installed keeps the laws that a plug-in has to keep."""

from __future__ import annotations

import pytest

from growsearch.data.digits import Digits
from growsearch.data.teacher_student import TeacherStudent
from growsearch.data.text import Text
from growsearch.growth import Initializer, Scheduler, Selector
from growsearch.growth.policy import strategy
from growsearch.networks.gpt import GPT
from growsearch.networks.lenet import LeNet5
from growsearch.networks.small_cnn import SmallCNN
from growsearch.registry import names
from growsearch.testing import DataSourceLaws, InitializerLaws, NetworkLaws, SchedulerLaws, SelectorLaws
from tests.laws.settings import cheap


class TestInitializers(InitializerLaws):
    @pytest.fixture(params=names("how"))
    def how(self, request: pytest.FixtureRequest) -> Initializer:
        return strategy(Initializer, "how", cheap("how", request.param))  # type: ignore[type-abstract]


class TestSelectors(SelectorLaws):
    @pytest.fixture(params=names("where"))
    def where(self, request: pytest.FixtureRequest) -> Selector:
        return strategy(Selector, "where", cheap("where", request.param))  # type: ignore[type-abstract]


class TestSchedulers(SchedulerLaws):
    @pytest.fixture(params=names("when"))
    def when(self, request: pytest.FixtureRequest) -> Scheduler:
        return strategy(Scheduler, "when", cheap("when", request.param))  # type: ignore[type-abstract]


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
