"""How far a network may grow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from growsearch.arguments import require_mapping
from growsearch.errors import InputError

Measure = Literal["width", "depth", "units", "blocks", "parameters", "flops"]
MEASURES: tuple[Measure, ...] = ("width", "depth", "units", "blocks", "parameters", "flops")


@dataclass(frozen=True)
class Budget:
    """Where growth stops.

    `width`: every site at this multiple of its seed width. `depth`: every block site at this multiple of its seed's
    blocks. `units`: so many units added in all. `blocks`: so many blocks of the network in all. `parameters`: so many
    parameters of the whole network. `flops`: so many forward FLOPs per sample. Several `limits` hold for one event
    each, the last one from then on: where they fall, strategies that remove units shrink the network to them.
    """

    measure: Measure
    limits: tuple[float, ...]

    @staticmethod
    def of(value: Mapping[str, float | Sequence[float]] | Budget | None) -> Budget | None:
        """From `{measure: limit}` or `{measure: [limit of the first event, ...]}`.

        `InputError` unless it names exactly one measure with positive limits; several are for parameters and FLOPs.
        """
        if value is None or isinstance(value, Budget):
            return value
        require_mapping("budget", value, "{'parameters': 100_000}")
        if len(value) != 1 or next(iter(value)) not in MEASURES:
            raise InputError(f"budget {dict(value)}: give exactly one of {', '.join(MEASURES)}")
        measure, given = next(iter(value.items()))
        limits = tuple(given) if isinstance(given, Sequence) and not isinstance(given, str) else (given,)
        if not limits or not all(isinstance(limit, int | float) and limit > 0 for limit in limits):
            raise InputError(f"budget {measure}: {given!r} is not allowed: give a number above 0")
        if measure not in ("parameters", "flops") and len(limits) > 1:
            raise InputError(
                f"budget {measure}: {list(limits)}: give one limit; only parameters and flops take several"
            )
        return Budget(measure, limits)  # type: ignore[arg-type]  # membership was just checked

    def at(self, events: int) -> float:
        """The limit that holds after so many events."""
        return self.limits[min(events, len(self.limits) - 1)]

    def check_seed(self, parameters: int, flops: int) -> None:
        """`InputError` where the seed network is over all limits already."""
        used = {"width": 1.0, "depth": 1.0, "parameters": parameters, "flops": flops}.get(self.measure)
        if used is not None and max(self.limits) < used:
            raise InputError(
                f"budget {self.measure}: {max(self.limits):g} is below the seed network, which has {used:g}: "
                "give a larger budget, a smaller seed network, or a strategy that removes units"
            )
