"""The page of the documentation, from what was measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
PAGE = HERE.parents[1] / "docs" / "performance.md"

_HEAD = """# Performance

What users wait for, beside its target. Times are of the processor, with one thread; medians (and ranges) of repeats,
those of all rows in turn, each beside its baseline. All of it is measured, and this page written, by

    {command}

| what | measured | wall clock | target | holds |
|---|---|---|---|---|
"""


def page(results: dict[str, Any] | None = None) -> str:
    """Return the text of the page."""
    results = json.loads(RESULTS.read_text()) if results is None else results
    about = results["about"]
    loads = about["load_average"]
    text = _HEAD.format(command=about["command"])
    text += "".join(_line(row) + "\n" for row in results["rows"].values())
    text += (
        f"\n{about['processor']}, {about['cores']} cores, torch {about['torch']}, commit {about['commit']}; "
        f"load average {loads[0]:.1f} at the beginning and {loads[1]:.1f} at the end{_loaded(loads, about['cores'])}. "
        "Everything is in [results.json](../experiments/performance/results.json); what is not reached and why, in "
        "[the README](../experiments/performance) beside it.\n"
    )
    return text


def _loaded(loads: list[float], cores: int) -> str:
    return ", so **other work shared the cores**: only ratios mean something" if max(loads) > cores else ""


def _line(row: dict[str, Any]) -> str:
    if "value" not in row:
        return f"| {row['what']} | {row['failed']} | | | |"
    value, unit = row["value"][0], f" {row['unit']}".rstrip()
    holds = value >= row["limit"] if row["at_least"] else value <= row["limit"]
    bound = "≥" if row["at_least"] else "≤"
    wall = _shown(row["wall"], unit) if "wall" in row else ""
    cells = (row["what"], _shown(row["value"], unit), wall, f"{bound} {row['limit']:g}{unit}", "yes" if holds else "no")
    return f"| {' | '.join(cells)} |"


def _shown(found: list[float], unit: str) -> str:
    middle, low, high = (f"{one:.3g}" for one in found)
    return f"{middle}{unit}" + ("" if low == high else f" ({low} – {high})")
