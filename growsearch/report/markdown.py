"""Tables for Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from growsearch.report.tables import Table


def to_markdown(title: str, verdict: Sequence[str], tables: Sequence[Table]) -> str:
    """The verdict as paragraphs, then every table under its title."""
    parts = [f"# {title}", *verdict]
    for table in tables:
        parts += [f"## {table.title}", table.caption, _table(table)]
    return "\n\n".join(parts) + "\n"


def _table(table: Table) -> str:
    rule = ("---", *("---:" for _ in table.titles[1:]))
    return "\n".join(f"| {' | '.join(map(_escape, row))} |" for row in (table.titles, rule, *table.rows))


def _escape(text: str) -> str:
    return text.replace("|", "\\|")
