"""What a run has used so far."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Counters:
    """What a run has used so far; a row of metrics covers what came after the row before it."""

    step: int = 0
    training_flops: int = 0
    growth_flops: int = 0
    seconds: float = 0.0
    growth_seconds: float = 0.0
    growth_events: int = 0
    samples_since_row: int = 0
    train_loss: float | None = None
