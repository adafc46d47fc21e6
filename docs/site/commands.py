"""A page of every command with its help and options, from the command line itself."""

from __future__ import annotations

from typing import Any

import typer

from growsearch.cli import app


def pages() -> dict[str, str]:
    """Return the text of the page by its file."""
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]  # a group of commands
    intro = (
        "What `growsearch COMMAND --help` prints, for every command. Bad input ends with one message and exit code "
        "2; what is a result is one JSON document with `--json`. `growsearch --install-completion` lets the shell "
        "complete commands, options, shipped files, run folders and the names of strategies."
    )
    parts = ["# Commands\n", f"{intro}\n"]
    for name, command in sorted(commands.items()):
        if not command.hidden:
            parts += [f"## `growsearch {name}`\n", _text(command.help), _table(command.params)]
    return {"reference/commands.md": "\n".join(parts)}


def _text(text: str | None) -> str:
    """Help as prose: typer separates paragraphs by empty lines, and marks with \\b what it must not fill."""
    return f"{(text or '').replace(chr(8), '').strip()}\n"


def _table(parameters: list[Any]) -> str:
    rows = [
        f"| {_name(each)} | {_cell(each.help)} | {_default(each)} |"
        for each in parameters
        if not getattr(each, "hidden", False) and each.name not in ("help", "install_completion", "show_completion")
    ]
    return "\n".join(["| | | default |", "|---|---|---|", *rows, ""]) if rows else ""


def _name(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"`{parameter.metavar or parameter.name.upper()}`"
    return ", ".join(f"`{option}`" for option in [*parameter.opts, *parameter.secondary_opts])


def _default(parameter: Any) -> str:
    if parameter.required:
        return "needed"
    value = parameter.default
    return "" if value is None or value is False or callable(value) or value == [] else f"`{value}`"


def _cell(text: str | None) -> str:
    return " ".join((text or "").replace("|", "\\|").split())
