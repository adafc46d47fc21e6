"""What policies are ranked by, and how its values are shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Policies = dict[str, dict[str, list[Any]]]


@dataclass(frozen=True)
class Metric:
    """What policies are ranked by."""

    key: str
    words: str
    higher_is_better: bool

    def better(self, one: float, other: float) -> bool:
        """Whether `one` is the better value."""
        return one > other if self.higher_is_better else one < other

    def show(self, value: float) -> str:
        """A value as the reader sees it."""
        return f"{100 * value:.2f} %" if self.higher_is_better else f"{value:.4g}"

    def show_change(self, value: float, unit: bool = True) -> str:
        """A difference between two values, with its sign."""
        if not self.higher_is_better:
            return f"{value:+.3g}".replace("-", "−")
        shown = f"{100 * value:+.2f}".replace("-0.00", "+0.00")
        return f"{shown}{' points' if unit else ''}".replace("-", "−")

    def show_interval(self, interval: Sequence[float]) -> str:
        """An interval of such differences: `+0.1 to +2.3`."""
        low, high = (self.show_change(end, unit=False) for end in interval)
        return f"{low} to {high}"


ACCURACY = Metric("test_accuracy", "test accuracy", True)
LOSS = Metric("test_loss", "test loss", False)
TEST = {metric.key: metric for metric in (ACCURACY, LOSS)}
VALIDATION = {
    "validation_accuracy": Metric("validation_accuracy", "validation accuracy", True),
    "validation_loss": Metric("validation_loss", "validation loss", False),
}


def metric_of(policies: Policies) -> Metric:
    """Test accuracy where the runs have one, otherwise test loss."""
    values = [value for rows in policies.values() for value in rows["test_accuracy"]]
    return ACCURACY if values and None not in values else LOSS


def show_p(p_value: float) -> str:
    """A p-value as the reader sees it."""
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.2g}"
