"""A page for each strategy: its record, its section of docs/strategies.md, and what was measured of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from growsearch.config.describe import describe_strategy
from growsearch.registry import STRATEGY_GROUPS, names

ROOT = Path(__file__).resolve().parents[2]
TITLES = {"when": "When to grow", "where": "Where to grow", "how": "How new parts start", "soft": "Soft sizes"}
LINK = re.compile(r"\]\((?![a-z]+:)([^)\s#]*)(#[^)\s]*)?\)")
ANCHORS = {"when": "#when", "where": "#where", "how": "#how", "soft": "#soft-sizes-that-gradient-descent-chooses"}
LIMITS = "Where it fails: "


def pages() -> dict[str, str]:
    """Return the text of each page by its file, and of one that lists them."""
    sections = _sections((ROOT / "docs" / "strategies.md").read_text())
    tables = _tables((ROOT / "docs" / "methods.md").read_text())
    texts = {}
    for group in STRATEGY_GROUPS:
        for name in names(group):
            record = describe_strategy(group, name)
            # What comes with another package has its documentation there.
            if record["class"].startswith("growsearch_strategies."):
                rows = [_named(rows, group, name) for rows in tables]
                texts[f"methods/{group}_{name}.md"] = _page(record, sections[group, name], rows)
    texts |= {f"methods/{group}.md": _list(group) for group in STRATEGY_GROUPS}
    return texts


def _page(record: dict[str, Any], section: str, measured: list[dict[str, str]]) -> str:
    before, _, limits = section.partition(LIMITS)
    limits, _, after = limits.partition("\n\n")
    prose = before + after
    anchor = ANCHORS[record["group"]]
    shared = f"Notation, and what holds for all of its kind: [all strategies](../../strategies.md{anchor})."
    cost, task = measured
    parts = [f"# {record['group']}: `{record['name']}`\n", f"{_sentence(record['summary'])}\n"]
    if record["why"]:
        parts.append(f"**Why**: {record['why']}.\n")
    parts += [_facts(record), "## What it computes\n", prose.strip() + "\n", shared + "\n"]
    if record["parameters"]:
        parts += ["## Parameters\n", _parameters(record)]
    if cost:
        parts += ["## What it costs\n", _cost(cost)]
    if task:
        parts += ["## On one task, untuned\n", _task(task)]
    if limits:
        parts += ["## Where it fails\n", _sentence(limits.strip()) + "\n"]
    return "\n".join(parts)


def _facts(record: dict[str, Any]) -> str:
    usual = zip(("when", "where"), record["usual"], strict=False)
    facts = {
        "Source": record["source"],
        "Needs": ", ".join(record["needs"]).replace("_", " "),
        "Preserves": record["preserves"],
        "In its source with": ", ".join(f"[{group}: `{name}`]({group}_{name}.md)" for group, name in usual),
        "Finds its size itself": record["finds_size"],
        "Class": f"`{record['class']}`",
    }
    rows = [f"| {title} | {fact} |" for title, fact in facts.items() if fact]
    return "\n".join(["| | |", "|---|---|", *rows, ""])


def _parameters(record: dict[str, Any]) -> str:
    rows = []
    for one in record["parameters"]:
        default = "needed" if one["required"] else f"`{one['default']}`"
        cells = (f"`{one['name']}`", one["type"], default, one["limits"], one["description"])
        rows.append("| " + " | ".join(cell.replace("|", "or") for cell in cells) + " |")
    return "\n".join(["| parameter | type | default | limits | what it is |", "|" + "---|" * 5, *rows, ""])


def _cost(row: dict[str, str]) -> str:
    cost = row["cost"]
    told = f"One growth step takes as long as {cost} training steps" if cost[0].isdigit() else _sentence(cost)[:-1]
    return f"{told} ([how it was measured](../../methods.md)). Works with: {row['works with']}.\n"


def _task(row: dict[str, str]) -> str:
    head = [title for title in row if title != "policy"]
    return (
        "Handwritten digits, ten seeds, one budget: it shows what it costs, not which method is best on yours "
        "([all of them, and how it was measured](../../methods.md#all-of-them-on-one-task)).\n\n"
        f"| {' | '.join(head)} |\n|{'---|' * len(head)}\n| {' | '.join(row[title] for title in head)} |\n"
    )


def _sections(text: str) -> dict[tuple[str, str], str]:
    """The text below each `### group: name`, with links that hold from the generated page."""
    found = {}
    for match in re.finditer(r"^### (\w+): `(\w+)`\n(.*?)(?=^##)", text, re.MULTILINE | re.DOTALL):
        found[match[1], match[2]] = LINK.sub(_moved, match[3])
    return found


def _moved(link: re.Match[str]) -> str:
    return f"](../../{link[1] or 'strategies.md'}{link[2] or ''})"


def _tables(text: str) -> list[list[dict[str, str]]]:
    """The tables of a page, each row by its titles."""
    found = []
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        lines = [[cell.strip() for cell in line.strip("|\n").split(" | ")] for line in table.splitlines()]
        found.append([dict(zip(lines[0], line, strict=True)) for line in lines[2:]])
    return found


def _named(rows: list[dict[str, str]], group: str, name: str) -> dict[str, str]:
    """The row of a strategy: those of when and where are called after their group there."""
    key = name if group in ("how", "soft") else f"{group}_{name}"
    return next((row for row in rows if next(iter(row.values())) == f"`{key}`"), {})


def _list(group: str) -> str:
    rows = [f"| [`{name}`]({group}_{name}.md) | {describe_strategy(group, name)['summary']} |" for name in _own(group)]
    tree = "\n".join(["```{toctree}", ":hidden:", "", *(f"{name} <{group}_{name}>" for name in _own(group)), "```", ""])
    return "\n".join([f"# {TITLES[group]}\n", "| | |", "|---|---|", *rows, "", tree])


def _own(group: str) -> list[str]:
    classes = {name: describe_strategy(group, name)["class"] for name in names(group)}
    return [name for name, path in classes.items() if path.startswith("growsearch_strategies.")]


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:].rstrip('.')}."
