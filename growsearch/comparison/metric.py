"""What policies are ranked by, and how its values are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from growsearch import tasks
from growsearch.number_format import decimal, percentage, with_error

Policies = dict[str, dict[str, list[Any]]]


@dataclass(frozen=True)
class Metric:
    """What policies are ranked by."""

    key: str
    words: str
    higher_is_better: bool
    percent: bool = False

    def on_validation(self) -> Metric:
        """Return the same on the validation split, for a metric of the test set."""
        return replace(
            self, key=self.key.replace("test_", "validation_", 1), words=self.words.replace("test ", "validation ", 1)
        )

    def better(self, one: float, other: float) -> bool:
        """Whether `one` is the better value."""
        return one > other if self.higher_is_better else one < other

    def show(self, value: float) -> str:
        """A value as the reader sees it."""
        return self.show_mean(value, None)

    def show_mean(self, mean: float, std: float | None) -> str:
        """A mean with the standard deviation around it, None where one value has none."""
        number, unit = (percentage, " %") if self.percent else (decimal, "")
        return with_error(number, mean, std, unit)

    def show_change(self, value: float, unit: bool = True) -> str:
        """A difference between two values, with its sign."""
        if not self.percent:
            return f"{value:+.3g}".replace("-", "−")
        shown = f"{100 * value:+.2f}".replace("-0.00", "+0.00")
        return f"{shown}{' points' if unit else ''}".replace("-", "−")

    def show_interval(self, interval: Sequence[float]) -> str:
        """An interval of such differences: `+0.1 to +2.3`."""
        low, high = (self.show_change(end, unit=False) for end in interval)
        return f"{low} to {high}"


ACCURACY = Metric("test_accuracy", "test accuracy", True, True)
LOSS = Metric("test_loss", "test loss", False)
VALIDATION = {
    "validation_accuracy": Metric("validation_accuracy", "validation accuracy", True, True),
    "validation_loss": Metric("validation_loss", "validation loss", False),
}


def metric_of(policies: Policies) -> Metric:
    """Return what the runs' task ranks them by, on the test set; the loss where their tasks differ.

    Runs of before that was recorded: accuracy where they have one, otherwise the loss.
    """
    recorded = [one for rows in policies.values() for one in rows.get("metric", ())]
    if recorded and None not in recorded:
        return _tested(tasks.Metric(**recorded[0])) if all(one == recorded[0] for one in recorded) else LOSS
    values = [value for rows in policies.values() for value in rows["test_accuracy"]]
    return ACCURACY if values and None not in values else LOSS


def metric_of_result(result: Mapping[str, Any]) -> Metric:
    """Return what one run is ranked by."""
    keys = ("metric", "test_accuracy")
    return metric_of({"run": {key: [result[key]] for key in keys if key in result}})


def _tested(metric: tasks.Metric) -> Metric:
    return Metric(f"test_{metric.name}", f"test {metric.words}", metric.higher_is_better, metric.percent)


def show_p(p_value: float) -> str:
    """A p-value as the reader sees it."""
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.2g}"
