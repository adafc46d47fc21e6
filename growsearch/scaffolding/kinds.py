"""What a package can add, with the group that it is registered in and the laws that it has to keep."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """`group` is the entry-point group, `laws` the class of `growsearch.testing`, `subject` what a test sets in it.

    `target` is what is registered: the class, or (`function`) the function of the package's own name.
    """

    group: str
    laws: str
    subject: str
    function: bool = False


KINDS = {
    "how": Kind("how", "InitializerLaws", "strategy = $kind()"),
    "where": Kind("where", "SelectorLaws", "strategy = $kind()"),
    "when": Kind("when", "SchedulerLaws", "strategy = $kind()"),
    "data": Kind("data", "DataSourceLaws", "source = $kind()"),
    "network": Kind("networks", "NetworkLaws", "network, input_shape, outputs = $kind(), (2,), 2"),
    "rule": Kind("operations", "OperationLaws", "module = $kind()", function=True),
}
