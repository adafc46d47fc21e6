"""How far training has come: what a scheduler sees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Progress:
    """Steps taken, events so far, and the metrics that were reported, each with the step it belongs to.

    `exhausted` is True once the budget allows no further unit. `total_flops` are the training FLOPs that end the run,
    None where its steps do. `flops` are those used so far, growth included; where steps end the run they are in another
    unit, the forward FLOPs of a sample summed over the steps. `reported` has (step, `flops`) of every report.
    """

    step: int = 0
    total_steps: int | None = None
    steps_per_epoch: int | None = None
    exhausted: bool = False
    events: list[int] = field(default_factory=list)
    metrics: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    flops: float = 0.0
    total_flops: float | None = None
    reported: list[tuple[int, float]] = field(default_factory=list)
    _share_before: float = 0.0

    def advance(self, flops: float) -> None:
        """Count one step of a network whose forward pass has so many FLOPs, where `meter` has not told them."""
        if self.total_flops is None:
            self._share_before = self.share or 0.0
            self.flops += flops
        self.step += 1

    @property
    def share(self) -> float | None:
        """The share that is done, of the FLOPs where these end a run, else of its steps; None without an end."""
        if self.total_flops is not None:
            return self.flops / self.total_flops
        return None if self.total_steps is None else self.step / self.total_steps

    def passes(self, share: float) -> bool:
        """Whether the last step was the one with which the run came to this share."""
        return self.share is not None and self._share_before < share <= self.share

    def meter(self, flops: float, total_flops: float) -> None:
        """Take the FLOPs from outside, before every `advance`: those of training and growing, and what ends the run."""
        self._share_before = self.flops / total_flops
        self.flops, self.total_flops = flops, total_flops

    def report(self, metrics: Mapping[str, float]) -> None:
        """Remember one value of each metric at the current step."""
        if not self.reported or self.reported[-1][0] != self.step:
            self.reported.append((self.step, self.flops))
        for name, value in metrics.items():
            self.metrics.setdefault(name, []).append((self.step, float(value)))

    def state_dict(self) -> dict[str, Any]:
        """Plain data for a checkpoint."""
        return {
            "step": self.step,
            "exhausted": self.exhausted,
            "events": list(self.events),
            "metrics": {name: [list(pair) for pair in values] for name, values in self.metrics.items()},
            "flops": self.flops,
            "total_flops": self.total_flops,
            "reported": [list(pair) for pair in self.reported],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self.step = int(state["step"])
        self.exhausted = bool(state["exhausted"])
        self.events = [int(s) for s in state["events"]]
        self.metrics = {name: [(int(s), float(v)) for s, v in values] for name, values in state["metrics"].items()}
        self.flops, self.total_flops = state["flops"], state["total_flops"]
        self.reported = [(int(step), float(flops)) for step, flops in state["reported"]]
