"""How long after a growth that raised the loss the training loss is back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from growsearch.growth import GrowthEvent
from growsearch.runs.records import Recovery

WINDOW = 8
"""Steps that the training loss is averaged over."""
_TOLERANCE = 1e-4
"""Change of the loss, relative, up to which it has not risen."""


def jumped(before: float, after: float) -> bool:
    """Whether a growth raised the loss, by more than 1e-4 of it (to what is no number, included)."""
    return not after - before <= _TOLERANCE * abs(before)


@dataclass
class _Waiting:
    """An event whose loss is not back yet: its step, the mean loss before it `[]`, and steps until it was back `[]`."""

    event: int
    before: Tensor
    steps: Tensor


class Recoveries:
    """Watches the training loss after events that raised it.

    The loss is back at the end of the first `WINDOW` steps, all of them after the event, whose mean training loss is at
    or below that of the `WINDOW` steps before the event (of those that there were). Nothing waits for the device until
    somebody asks with `take`.
    """

    def __init__(self, device: torch.device, state: dict[str, Any] | None = None) -> None:
        """Begin, or go on from a `state_dict`."""
        state = state or {"seen": 0, "losses": torch.zeros(WINDOW, dtype=torch.float64), "waiting": []}
        self._seen: int = state["seen"]
        self._losses: Tensor = state["losses"].to(device, copy=True)
        self._waiting = [
            _Waiting(event, before.to(device), steps.to(device, copy=True)) for event, before, steps in state["waiting"]
        ]

    def step(self, loss: Tensor) -> None:
        """Take in the training loss `[]` of one optimizer step."""
        self._losses[self._seen % WINDOW] = loss.detach()
        self._seen += 1
        for each in self._waiting:
            since = self._seen - each.event
            if since >= WINDOW:
                back = (each.steps < 0) & (self._losses.mean() <= each.before)
                each.steps.copy_(torch.where(back, since, each.steps))

    def grew(self, event: GrowthEvent) -> int | None:
        """Return 0 where an event did not raise the loss; else None, and wait for the loss to come back.

        Nothing is known of an event that was refused or has no loss: None.
        """
        if event.refused is not None or event.loss_before is None or event.loss_after is None:
            return None
        if not jumped(event.loss_before, event.loss_after):
            return 0
        known = self._losses[: min(self._seen, WINDOW)]
        steps = torch.full((), -1, dtype=torch.int64, device=known.device)
        self._waiting.append(_Waiting(self._seen, known.mean(), steps))
        return None

    def take(self) -> list[Recovery]:
        """Return the events whose loss is back, each once."""
        found = [Recovery(step=each.event, recovered_steps=int(each.steps)) for each in self._waiting]
        self._waiting = [each for each, one in zip(self._waiting, found, strict=True) if one.recovered_steps < 0]
        return [one for one in found if one.recovered_steps >= 0]

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain data, for a checkpoint."""
        waiting = [(each.event, each.before, each.steps.clone()) for each in self._waiting]
        return {"seen": self._seen, "losses": self._losses.clone(), "waiting": waiting}
