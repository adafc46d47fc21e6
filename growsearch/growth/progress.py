"""How far training has come: what a scheduler sees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Progress:
    """Steps taken, events so far, and the metrics that were reported, each with the step it belongs to.

    `exhausted` is True once the budget allows no further unit.
    """

    step: int = 0
    total_steps: int | None = None
    steps_per_epoch: int | None = None
    exhausted: bool = False
    events: list[int] = field(default_factory=list)
    metrics: dict[str, list[tuple[int, float]]] = field(default_factory=dict)

    def report(self, metrics: Mapping[str, float]) -> None:
        """Remember one value of each metric at the current step."""
        for name, value in metrics.items():
            self.metrics.setdefault(name, []).append((self.step, float(value)))

    def state_dict(self) -> dict[str, Any]:
        """Plain data for a checkpoint."""
        return {
            "step": self.step,
            "exhausted": self.exhausted,
            "events": list(self.events),
            "metrics": {name: [list(pair) for pair in values] for name, values in self.metrics.items()},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self.step = int(state["step"])
        self.exhausted = bool(state["exhausted"])
        self.events = [int(s) for s in state["events"]]
        self.metrics = {name: [(int(s), float(v)) for s, v in values] for name, values in state["metrics"].items()}
