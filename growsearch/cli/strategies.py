"""`growsearch strategies`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from growsearch.cli import completing
from growsearch.cli.handling import handled
from growsearch.cli.options import Json
from growsearch.cli.output import emit, show
from growsearch.errors import InputError
from growsearch.registry import NOUNS, STRATEGY_GROUPS, names, nearest

Name = Annotated[
    str | None,
    typer.Argument(
        metavar="NAME",
        help="One strategy only, such as gradmax or how.random.",
        autocompletion=completing.strategy_names,
    ),
]


@handled
def strategies(name: Name = None, as_json: Json = False) -> None:
    """Show the installed strategies: what they do, their sources, needs, and parameters with defaults and limits."""
    from growsearch.config.describe import describe_strategy

    chosen = [describe_strategy(group, strategy) for group, strategy in _chosen(name)]
    if as_json:
        emit(chosen)
    else:
        overview = _overview(chosen) if name is None else []
        show(*overview, *(line for strategy in chosen for line in _detail(strategy)))


def _chosen(name: str | None) -> list[tuple[str, str]]:
    """Group and name of the strategies asked for: a name may be in several groups."""
    everything = [(group, strategy) for group in STRATEGY_GROUPS for strategy in names(group)]
    if name is None:
        return everything
    found = [(group, strategy) for group, strategy in everything if name in (strategy, f"{group}.{strategy}")]
    if not found:
        known = sorted({strategy for _, strategy in everything})
        raise InputError(f"unknown strategy {name!r}: allowed are {', '.join(known)}{nearest(name, known)}")
    return found


def _overview(chosen: list[dict[str, Any]]) -> list[Any]:
    from rich.table import Table

    table = Table("", "name", "what it does", "parameters")
    for group in STRATEGY_GROUPS:
        for strategy in (one for one in chosen if one["group"] == group):
            parameters = ", ".join(one["name"] for one in strategy["parameters"])
            table.add_row(group, strategy["name"], strategy["summary"], parameters)
        table.add_section()
    return [table, "growsearch strategies NAME shows one of them only", ""]


def _detail(strategy: dict[str, Any]) -> list[Any]:
    from rich.table import Table
    from rich.text import Text

    lines: list[Any] = [
        Text(f"{strategy['name']}: {NOUNS[strategy['group']]}", style="bold"),
        Text(f"  {strategy['summary']}"),
    ]
    facts = {
        "why": strategy["why"],
        "source": strategy["source"],
        "needs": ", ".join(strategy["needs"]),
        "preserves": strategy["preserves"],
        "goes with": ", ".join(strategy["usual"]),
        "finds its size": strategy["finds_size"],
        "class": strategy["class"],
    }
    lines += [Text(f"  {title}: {fact}") for title, fact in facts.items() if fact]
    if strategy["parameters"]:
        table = Table("parameter", "type", "default", "limits", "what it is", box=None, padding=(0, 2))
        for one in strategy["parameters"]:
            default = "required" if one["required"] else str(one["default"])
            table.add_row(
                *(Text(cell) for cell in (one["name"], one["type"], default, one["limits"], one["description"]))
            )
        lines.append(table)
    return [*lines, ""]
