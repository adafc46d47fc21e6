"""The laws that every plug-in has to keep, as pytest classes that its author subclasses.

    from growsearch.testing import InitializerLaws

    class TestMine(InitializerLaws):
        strategy = Mine(strength=2)

runs every law over networks that ship with this package. Needs pytest.
"""

import pytest

pytest.register_assert_rewrite(
    "growsearch.testing.data_laws",
    "growsearch.testing.initializer_laws",
    "growsearch.testing.network_laws",
    "growsearch.testing.operation_laws",
    "growsearch.testing.optimizer_laws",
    "growsearch.testing.scheduler_laws",
    "growsearch.testing.selector_laws",
    "growsearch.testing.task_laws",
)

from growsearch.testing.data_laws import DataSourceLaws  # noqa: E402  # after the registration
from growsearch.testing.initializer_laws import InitializerLaws  # noqa: E402
from growsearch.testing.network_laws import NetworkLaws  # noqa: E402
from growsearch.testing.operation_laws import OperationLaws  # noqa: E402
from growsearch.testing.optimizer_laws import OptimizerLaws  # noqa: E402
from growsearch.testing.scheduler_laws import SchedulerLaws  # noqa: E402
from growsearch.testing.selector_laws import SelectorLaws  # noqa: E402
from growsearch.testing.task_laws import TaskLaws  # noqa: E402

__all__ = [
    "DataSourceLaws",
    "InitializerLaws",
    "NetworkLaws",
    "OperationLaws",
    "OptimizerLaws",
    "SchedulerLaws",
    "SelectorLaws",
    "TaskLaws",
]
