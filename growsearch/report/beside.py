"""Growing policies beside the policies of the same comparison that are their controls."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import Any


@dataclass(frozen=True)
class Beside:
    """A policy minus its `control` on the same seeds, None where they share none.

    `flops` is the policy's training FLOPs as a multiple of the control's.
    """

    control: str
    difference: float | None
    interval: tuple[float, float] | None
    flops: float


def besides(results: dict[str, Any]) -> dict[str, dict[str, Beside | None]]:
    """For each growing policy, by kind of control, how it stands beside it; None where the comparison lacks one."""
    verdict = results["verdict"]
    found = (verdict.get("controls") or {}).get("found") or {}
    pairs = {(pair["policy"], pair["against"]): pair for pair in _pairs(verdict)}
    rows = {**results["policies"], **(results.get("controls") or {})}
    return {
        policy: {kind: control and _beside(policy, control, pairs, rows) for kind, control in own.items()}
        for policy, own in found.items()
    }


def _pairs(verdict: dict[str, Any]) -> list[dict[str, Any]]:
    return [*verdict["pairs"], *(verdict.get("controls") or {}).get("pairs", [])]


def _beside(
    policy: str, control: str, pairs: dict[tuple[str, str], dict[str, Any]], rows: dict[str, dict[str, Any]]
) -> Beside:
    flops = fmean(rows[policy]["training_flops"]) / fmean(rows[control]["training_flops"])
    if policy == control:
        return Beside(control, 0.0, None, flops)
    if pair := pairs.get((policy, control)):
        return Beside(control, pair["mean_difference"], pair["interval"] and tuple(pair["interval"]), flops)
    pair = pairs.get((control, policy))
    if pair is None:
        return Beside(control, None, None, flops)
    interval = pair["interval"] and (-pair["interval"][1], -pair["interval"][0])
    return Beside(control, -pair["mean_difference"], interval, flops)
