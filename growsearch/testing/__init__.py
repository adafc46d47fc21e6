"""The laws that every plug-in has to keep, as pytest classes that its author subclasses.

    from growsearch.testing import InitializerLaws

    class TestMine(InitializerLaws):
        strategy = Mine(strength=2)

runs every law over networks that ship with this package. Needs pytest.
"""

import pytest

pytest.register_assert_rewrite(
    "growsearch.testing.data",
    "growsearch.testing.initializer",
    "growsearch.testing.network",
    "growsearch.testing.optimizer",
    "growsearch.testing.scheduler",
    "growsearch.testing.selector",
    "growsearch.testing.task",
)

from growsearch.testing.data import DataSourceLaws  # noqa: E402  # after the registration
from growsearch.testing.initializer import InitializerLaws  # noqa: E402
from growsearch.testing.network import NetworkLaws  # noqa: E402
from growsearch.testing.optimizer import OptimizerLaws  # noqa: E402
from growsearch.testing.scheduler import SchedulerLaws  # noqa: E402
from growsearch.testing.selector import SelectorLaws  # noqa: E402
from growsearch.testing.task import TaskLaws  # noqa: E402

__all__ = [
    "DataSourceLaws",
    "InitializerLaws",
    "NetworkLaws",
    "OptimizerLaws",
    "SchedulerLaws",
    "SelectorLaws",
    "TaskLaws",
]
