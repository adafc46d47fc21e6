"""docs/architectures.md, made from results.json."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "architectures.md"
OUTCOMES = {
    "kept": "every exact site grew, and the function is the same",
    "partly": "some exact sites did not grow; with the others the function is the same",
    "refused": "no exact site grew",
    "no exact site": "there is nothing that can grow and keep the function",
    "not traced": "the whole model was refused",
    "wrong": "growth reported success, and the function changed",
    "crash": "an exception that is none of growsearch's",
    "no result": "stopped at a limit of time or memory",
}

HEAD = """# Architectures

    uv run --group architectures python -m experiments.architectures

{total} architectures, untrained, with random values in every parameter and running statistic. Every exact site grows at
once, by one unit, with `how: zero`; then the outputs for inputs that the growth has not seen are compared: in
evaluation mode as the network is, and in train mode in float64 without dropout, relative to the largest entry. The
function is the same where both differ by no more than {tolerance:g} (half precision: {half:g}). How, and from what:
[experiments/architectures](../experiments/architectures).

| outcome | architectures | what it means |
|---|---|---|
"""

SITES = """
{grown:,} of {exact:,} exact sites grew ({share:.1f} %). Beside them {mixing:,} sites are mixing and {frozen:,} are
frozen; the reasons of more than two architectures, of at most four an architecture:

| why a site is not exact | architectures |
|---|---|
"""

TABLE = """
## All of them

| architecture | from | family | outcome | exact | grew | mixing | frozen | change in evaluation | in training |
|---|---|---|---|---|---|---|---|---|---|
"""


def page(found: dict[str, Any]) -> str:
    """The page for what `results.json` holds."""
    rows: dict[str, dict[str, Any]] = found["architectures"]
    outcomes = Counter(row["outcome"] for row in rows.values())
    head = HEAD.format(total=len(rows), tolerance=found["tolerance"], half=found["half_tolerance"])
    counts = "".join(f"| {name} | {outcomes[name]} | {what} |\n" for name, what in OUTCOMES.items())
    table = "".join(_row(name, row) for name, row in rows.items())
    return head + counts + _sites(rows) + _refusals(rows) + TABLE + table + _footer(found["machine"])


def _sites(rows: dict[str, dict[str, Any]]) -> str:
    traced = [row for row in rows.values() if "exact" in row]
    total = {key: sum(row[key] for row in traced) for key in ("exact", "grown", "mixing", "frozen")}
    why = Counter(reason for row in traced for reason in row["why_not_exact"])
    often = sorted((-count, reason) for reason, count in why.items() if count > 2)
    listed = "".join(f"| {reason} | {-count} |\n" for count, reason in often)
    return SITES.format(share=100 * total["grown"] / max(1, total["exact"]), **total) + listed


def _refusals(rows: dict[str, dict[str, Any]]) -> str:
    bad = [f"- {name}, {row['outcome']}: {row['reason']}\n" for name, row in rows.items() if row["outcome"] != "kept"]
    return "\n## What did not grow, and why\n\n" + ("".join(bad) or "All exact sites of all architectures grew.\n")


def _row(name: str, row: dict[str, Any]) -> str:
    cells = [name.partition(": ")[2], row.get("source", ""), row.get("family", ""), row["outcome"]]
    cells += [str(row.get(key, "")) for key in ("exact", "grown", "mixing", "frozen")]
    cells += [_number(row.get("evaluation")), _number(row.get("training"))]
    return "| " + " | ".join(cells) + " |\n"


def _number(value: float | None) -> str:
    return "-" if value is None else "0" if value == 0 else f"{value:.0e}"


def _footer(machine: dict[str, Any]) -> str:
    libraries = ", ".join(f"{name} {machine[name]}" for name in ("torch", "torchvision", "timm", "transformers"))
    return f"\nMeasured with {libraries}, Python {machine['python']}, commit {machine['commit']}.\n"
