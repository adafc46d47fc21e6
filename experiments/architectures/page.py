"""docs/architectures.md, made from results.json."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "architectures.md"
OUTCOMES = {
    "kept": "every exact site grew, and the function is the same",
    "partly": "some exact sites did not grow; with the others the function is the same",
    "refused": "no exact site grew",
    "not traced": "the whole model was refused",
    "wrong": "growth reported success, and the function changed",
    "crash": "an exception that is none of growsearch's",
    "no result": "stopped at a limit of time or memory",
}

HEAD = """# Architectures

    uv run --group architectures python -m experiments.architectures

{total} public architectures, untrained, with random values in every parameter and running statistic. Every exact site
grows at once, by one unit, with `how: zero`; then the outputs for inputs that the growth has not seen are compared, in
evaluation mode as the network is and in train mode in float64 without dropout, relative to the largest entry. The
function is the same where both differ by no more than {tolerance:g} (half precision: {half:g}).

"""

SITES = """
{grown:,} of {exact:,} exact sites grew ({share:.1f} %); {mixing:,} sites are mixing and {frozen:,} frozen. Why sites are
not exact, by number of architectures:

"""

REFUSALS = """
## What did not grow

"""

TABLE = """
## All of them

| architecture | from | family | outcome | exact | grew | mixing | frozen | change in evaluation | in training |
|---|---|---|---|---|---|---|---|---|---|
"""


def page(found: dict[str, Any], tolerance: float, half: float) -> str:
    """The page for what `results.json` holds; the tolerances are those of the trials."""
    rows: dict[str, dict[str, Any]] = found["architectures"]
    outcomes = Counter(row["outcome"] for row in rows.values())
    text = HEAD.format(total=len(rows), tolerance=tolerance, half=half) + "| outcome | architectures | what it means |\n|---|---|---|\n"
    text += "".join(f"| {name} | {outcomes[name]} | {what} |\n" for name, what in OUTCOMES.items())
    return text + _sites(rows.values()) + _refusals(rows) + TABLE + "".join(map(_row, rows.items())) + _footer(found)


def _sites(rows: Iterable[dict[str, Any]]) -> str:
    rows = [row for row in rows if "exact" in row]
    total = {key: sum(row[key] for row in rows) for key in ("exact", "grown", "mixing", "frozen")}
    share = 100 * total["grown"] / max(1, total["exact"])
    why = Counter(reason for row in rows for reason in row["why_not_exact"])
    listed = "".join(f"- {reason}: {count}\n" for reason, count in sorted(why.items(), key=lambda e: (-e[1], e[0])) if count > 2)
    return SITES.format(share=share, **total) + listed


def _refusals(rows: dict[str, dict[str, Any]]) -> str:
    bad = [(name, row) for name, row in rows.items() if row["outcome"] != "kept"]
    if not bad:
        return REFUSALS + "Nothing: all exact sites of all architectures grew.\n"
    return REFUSALS + "".join(f"- {name}: {row['outcome']}: {row['reason']}\n" for name, row in bad)


def _row(entry: tuple[str, dict[str, Any]]) -> str:
    name, row = entry
    cells = [name.partition(": ")[2], row.get("source", ""), row.get("family", ""), row["outcome"]]
    cells += [str(row.get(key, "")) for key in ("exact", "grown", "mixing", "frozen")]
    cells += [_number(row.get("evaluation")), _number(row.get("training"))]
    return "| " + " | ".join(cells) + " |\n"


def _number(value: float | None) -> str:
    return "-" if value is None else "0" if value == 0 else f"{value:.0e}"


def _footer(found: dict[str, Any]) -> str:
    machine = found["machine"]
    libraries = ", ".join(f"{name} {machine[name]}" for name in ("torch", "torchvision", "timm", "transformers"))
    return f"\nMeasured with {libraries}, Python {machine['python']}, commit {machine['commit']}.\n"
