"""What growth came to in finished runs: which policies did not grow, and which ended below their budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from growsearch.config import RunConfig
from growsearch.registry import lookup


@dataclass(frozen=True)
class Outcome:
    """A policy that should change size: its finished runs' results, and the reasons of growth events rolled back."""

    config: RunConfig
    results: Sequence[Mapping[str, Any]]
    refused: Sequence[str]

    @property
    def still(self) -> int:
        """How many runs ended with the network that they began with."""
        return sum(result["growth_events"] == 0 for result in self.results)

    @property
    def below(self) -> int:
        """How many runs grew, by a policy that never removes units, and ended with room in their budget."""
        if any(getattr(lookup("where", name), "removes", False) for name in self.config.growth.where):
            return 0
        return sum(result["growth_events"] > 0 and result.get("budget_full") is False for result in self.results)


@dataclass(frozen=True)
class GrowthOutcome:
    """The policies of which no run grew, and a sentence on what did not go as asked; None where all did."""

    not_grown: tuple[str, ...] = ()
    sentence: str | None = None


def growth_outcome(outcomes: Mapping[str, Outcome]) -> GrowthOutcome:
    """Return what growth came to in the policies that should change size."""
    finished = {name: one for name, one in outcomes.items() if one.results}
    still = [name for name, one in finished.items() if one.still == len(one.results)]
    sentences = [_still(still, finished, len(still) == len(finished))] if still else []
    for name, one in finished.items():
        runs = len(one.results)
        if 0 < one.still < runs:
            sentences.append(f"{name} did not grow in {one.still} of {runs} runs{_why([one])}.")
        if one.below:
            sentences.append(f"{name} ended below its budget in {one.below} of {runs} runs.")
    return GrowthOutcome(tuple(still), " ".join(sentences) or None)


def _still(still: Sequence[str], outcomes: Mapping[str, Outcome], every: bool) -> str:
    own = [outcomes[name] for name in still]
    start = "No policy grew" if every and len(still) > 1 else f"{', '.join(still)} did not grow"
    return (
        f"{start}: no growth event took place{_why(own)}. What did not grow is the network of the seed's size, trained "
        "as such: its row says nothing about growing."
    )


def _why(own: Sequence[Outcome]) -> str:
    refused = [reason for one in own for reason in one.refused]
    if refused:
        return f" ({len(refused)} were rolled back, the first because {refused[0]})"
    steps = {result.get("steps") for one in own for result in one.results}
    return f" in {next(iter(steps)):,} optimizer steps" if len(steps) == 1 and None not in steps else ""
