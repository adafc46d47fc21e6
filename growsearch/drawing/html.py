"""Growth in a notebook: an event as a small table."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from growsearch.growth import GrowthEvent


def event_html(event: GrowthEvent) -> str:
    """Return a table of the sites that an event changed: what was added and removed, and their widths after it."""
    title = f"step {event.step}: {event.when}, {event.where}, {event.how}"
    sizes = f"{event.parameters_before:,} to {event.parameters_after:,} parameters"
    if event.refused:
        return f"<p><b>{escape(title)}</b>: refused: {escape(event.refused)}</p>"
    rows = "".join(
        f"<tr><th>{escape(site)}</th><td>{_signed(event.sites.get(site, 0))}"
        f"{' ' + escape(event.kinds[site]) if site in event.kinds else ''}</td>"
        f"<td>{_signed(-event.removed.get(site, 0))}</td><td>{event.widths.get(site, '')}</td></tr>"
        for site in dict.fromkeys([*event.sites, *event.removed])
    )
    head = "<tr><th>site</th><th>added</th><th>removed</th><th>width now</th></tr>"
    return f"<table><caption>{escape(title)}; {sizes}</caption><thead>{head}</thead><tbody>{rows}</tbody></table>"


def _signed(count: int) -> str:
    return f"{count:+d}".replace("-", "−") if count else ""
