"""How policies grew: over all runs as numbers, and of one run in the middle step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, quantiles
from typing import Any

from growsearch.number_format import counted
from growsearch.report.curves import thinned
from growsearch.report.logs import RunLog
from growsearch.report.tables import Table
from growsearch.runs.event_words import lost_words

_COLUMNS = 60  # of one chart of widths
_RATIOS = 1500  # dots of one chart of ratios

Event = dict[str, Any]


@dataclass(frozen=True)
class Timeline:
    """What one run's growth did: widths of the sites that changed, before the first event and after each one.

    `columns` are the steps of the events (0 for the seed network), `widths` have a row for each site; None where the
    site did not exist yet. `ratios` are (step, site, gradient norm of its new units over that of the old ones).
    """

    seed: int
    steps: list[int]
    sites: list[str]
    columns: list[int]
    widths: list[list[int | None]]
    ratios: list[tuple[int, str, float]]


def timeline(run: RunLog) -> Timeline:
    """The growth of one run."""
    events = run.events
    before = events[0]["widths_before"] if events else {}
    states = [(0, before), *((event["step"], event["widths"]) for event in events)]
    named = list(dict.fromkeys(site for _, widths in states for site in widths))
    sites = [site for site in named if len({widths.get(site) for _, widths in states}) > 1]
    shown = thinned(states, _COLUMNS)
    return Timeline(
        seed=run.seed,
        steps=[event["step"] for event in events],
        sites=sites,
        columns=[step for step, _ in shown],
        widths=[[widths.get(site) for _, widths in shown] for site in sites],
        ratios=thinned(_ratios(events), _RATIOS),
    )


def growth_table(logs: Mapping[str, Sequence[RunLog]], names: Sequence[str]) -> Table:
    """What growth did in all runs of each policy that grew; rows as in `names`."""
    rows = [(name, *_row(logs[name])) for name in names if any(run.events for run in logs[name])]
    caption = (
        "Means over the seeds. Gradient ratio: gradient norm of the new units over that of the old ones right after an "
        "event, over all events and sites; a ratio far below 1 means that new units learn slowly at first. Output "
        "change: the largest relative change of the outputs by an event; 0 keeps the function. Loss jump: change of "
        "the loss by an event, on the batch that it looked at. Steps until back: from an event that raised the loss to "
        "the end of the first 8 steps whose mean training loss is at or below that of the 8 before it; else 0."
    )
    counts = ("events", "refused", "units added", "units removed")
    titles = (
        "policy",
        *counts,
        "gradient ratio, median",
        "gradient ratio, middle half",
        "output change",
        "loss jump",
        "steps until back",
    )
    return Table("growth", "Growth", caption, titles, tuple(rows))


def _row(runs: Sequence[RunLog]) -> tuple[str, ...]:
    events = [event for run in runs for event in run.events]
    ratios = [ratio for _, _, ratio in _ratios(events)]
    changes = [event["output_change"] for event in events if event.get("output_change") is not None]
    jumps = [event["measured_change"] for event in events if event.get("measured_change") is not None]
    quarters = quantiles(ratios, n=4) if len(ratios) > 1 else []
    return (
        _count(len(run.events) for run in runs),
        _count(run.refused for run in runs),
        _count(_units(run.events, "sites") for run in runs),
        _count(_units(run.events, "removed") for run in runs),
        f"{quarters[1]:.2g}" if quarters else "",
        f"{quarters[0]:.2g} to {quarters[2]:.2g}" if quarters else "",
        f"{max(changes):.1g}" if changes else "",
        f"{fmean(jumps):+.2g}" if jumps else "",
        _recovered(events),
    )


def _recovered(events: Sequence[Event]) -> str:
    """`35`, or `35 (2 of 6 not back)`; empty where no event knows."""
    known = [event for event in events if event.get("loss_after") is not None]
    steps = [event["recovered_steps"] for event in known if event.get("recovered_steps") is not None]
    parts = [f"{fmean(steps):.3g}"] if steps else []
    parts += [f"({len(known) - len(steps)} of {len(known)} not back)"] if len(known) > len(steps) else []
    return " ".join(parts)


def growth_words(policy: str, run: RunLog) -> str:
    """`gradmax, seed 3: 6 events added 39 units; 482 parameters became 6,217.`"""
    first, last = run.events[0], run.events[-1]
    regrown, pruned = (sum(event.get(key) or 0 for event in run.events) for key in ("regrown", "pruned"))
    added, removed = _units(run.events, "sites"), _units(run.events, "removed")
    parts = [f"{added:,} units added", *lost_words(removed, regrown, pruned)]
    text = f"{policy}, seed {run.seed} (the median one): {len(run.events)} events, {', '.join(parts)}"
    if "parameters_before" in first and "parameters_after" in last:
        text += f"; {counted(first['parameters_before'])} parameters became {counted(last['parameters_after'])}"
    return f"{text}."


def _ratios(events: Sequence[Event]) -> list[tuple[int, str, float]]:
    return [
        (event["step"], site, float(f"{ratio:.3g}"))
        for event in events
        for site, ratio in (event.get("gradient_ratio") or {}).items()
        if ratio is not None
    ]


def _units(events: Sequence[Event], key: str) -> int:
    return sum(sum((event.get(key) or {}).values()) for event in events)


def _count(numbers: Any) -> str:
    return f"{fmean(numbers):.3g}"
