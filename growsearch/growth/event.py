"""What happened at one growth event."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from growsearch.growth.changed_parameters import ChangedParameter, Runs
from growsearch.surgery import Edit


@dataclass(frozen=True)
class GrowthEvent:
    """One event: `sites` is how many units were added by site, `removed` those taken out, `widths` the widths after.

    `kinds` says by site `layers` or `blocks` where these were added instead of units.

    `predicted_change` and `measured_change` are of the objective on the statistics batch, by the growth itself, before
    any training (None without an objective); `loss_before` and `loss_after` are the two losses that it lies between.
    `gradient_ratio` is, by site, the mean gradient norm of the new units over that of the old ones right after the
    event, on a batch that no strategy has seen (empty where there was none).
    `growth_flops` is what the event itself computed, in all its forward and backward passes (see `FlopMeter`).
    `regrown` and `pruned` count connections, `active_before` and `active_after` the parameters that are not dormant.
    `left_out` are the sites that did not pass their checks, with the reason: growing leaves them out from then on.
    `changed_parameters` are those with another shape or with elements that are new, by name (not told of `SoftGrower`).
    `refused` is the reason where the event was rolled back. `edits` are the structural changes as plain data, in the
    coordinates before the event.
    """

    step: int
    sites: dict[str, int]
    widths: dict[str, int]
    when: str
    where: str
    how: str
    parameters_before: int
    parameters_after: int
    flops_before: int
    flops_after: int
    predicted_change: float | None
    measured_change: float | None
    output_change: float | None
    seconds: float
    removed: dict[str, int] = field(default_factory=dict)
    gradient_ratio: dict[str, float] = field(default_factory=dict)
    regrown: int = 0
    pruned: int = 0
    active_before: int | None = None
    active_after: int | None = None
    refused: str | None = None
    left_out: dict[str, str] = field(default_factory=dict)
    growth_flops: int = 0
    kinds: dict[str, str] = field(default_factory=dict)
    loss_before: float | None = None
    loss_after: float | None = None
    edits: tuple[Edit, ...] = field(default=(), repr=False)
    changed_parameters: dict[str, ChangedParameter] = field(default_factory=dict, repr=False)

    @property
    def new_parameters(self) -> dict[str, dict[int, Runs]]:
        """What is new, by name and axis, as runs `[start, stop)`; a parameter that came as a whole has no axes."""
        return {name: one.new for name, one in self.changed_parameters.items() if one.has_new}

    def new_weights(self) -> dict[str, Tensor]:
        """Return a mask, True at the elements that are new, for each parameter that has some, on the CPU."""
        return {name: one.mask() for name, one in self.changed_parameters.items() if one.has_new}

    def __str__(self) -> str:
        """Describe what changed: widths, and shapes of parameters, before and after."""
        from growsearch.drawing.plain import event_text

        return event_text(self)

    def _repr_html_(self) -> str:
        """Show the event as a table, as notebooks do."""
        from growsearch.drawing.html import event_html

        return event_html(self)

    def to_json(self) -> dict[str, Any]:
        """The event as one line of `growth.jsonl`: everything but the edits, and what follows from them."""
        return {name: value for name, value in self.__dict__.items() if name not in ("edits", "changed_parameters")}
