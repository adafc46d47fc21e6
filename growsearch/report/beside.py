"""Growing policies beside the policies of the same comparison that are their controls."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import Any


@dataclass(frozen=True)
class Beside:
    """A policy minus its `control` on the same seeds, None where they share none.

    `flops` and `seconds` are the policy's, as multiples of the control's.
    """

    control: str
    difference: float | None
    interval: tuple[float, float] | None
    flops: float
    seconds: float

    @property
    def cost(self) -> str:
        """Both multiples in words."""
        return f"with {self.flops:.2g} times its training FLOPs and {self.seconds:.2g} times its seconds"

    @property
    def sure(self) -> bool:
        """Whether the interval leaves no doubt about the sign."""
        return self.interval is not None and not self.interval[0] <= 0.0 <= self.interval[1]


def besides(results: dict[str, Any]) -> dict[str, dict[str, Beside | None]]:
    """For each growing policy, by kind of control, how it stands beside it; None where the comparison lacks one."""
    verdict = results["verdict"]
    found = (verdict.get("controls") or {}).get("found") or {}
    return {
        policy: {kind: control and beside(results, policy, control) for kind, control in own.items()}
        for policy, own in found.items()
    }


def beside(results: dict[str, Any], policy: str, control: str) -> Beside:
    """How one policy stands beside another, or beside a control."""
    verdict, rows = results["verdict"], {**results["policies"], **(results.get("controls") or {})}
    every = [*verdict["pairs"], *(verdict.get("controls") or {}).get("pairs", [])]
    pairs = {(pair["policy"], pair["against"]): pair for pair in every}
    cost = tuple(fmean(rows[policy][key]) / fmean(rows[control][key]) for key in ("training_flops", "seconds"))
    if policy == control:
        return Beside(control, 0.0, None, *cost)
    if pair := pairs.get((policy, control)):
        return Beside(control, pair["mean_difference"], pair["interval"] and tuple(pair["interval"]), *cost)
    pair = pairs.get((control, policy))
    if pair is None:
        return Beside(control, None, None, *cost)
    interval = pair["interval"] and (-pair["interval"][1], -pair["interval"][0])
    return Beside(control, -pair["mean_difference"], interval, *cost)
