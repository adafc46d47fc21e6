"""The frame of every page: one file that needs no other, with landmarks, a list of its sections, and its scripts."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from plotly.offline import get_plotlyjs

from growsearch.runs.files import to_json, write_atomically

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data: blob:"
_OWN_SERVER = "; connect-src 'self'"


@dataclass(frozen=True)
class PageSection:
    """A part of the page: its anchor, its title, and its content as HTML."""

    anchor: str
    title: str
    content: str


def page(
    title: str,
    about: str,
    sections: Sequence[PageSection],
    content: dict[str, Any],
    scripts: Sequence[str],
    live: bool = False,
) -> str:
    """The whole page. `scripts` are files of this package that read `content`; without any, there are no charts.

    Args:
        title: of the page.
        about: below it.
        sections: in their order.
        content: for the scripts.
        scripts: names of files.
        live: whether scripts may ask the server that sent the page.
    """
    shown = [section for section in sections if section.content]
    links = "".join(f'<li><a href="#{one.anchor}">{escape(one.title)}</a></li>' for one in shown)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}{_OWN_SERVER if live else ""}">
<title>{escape(title)} · growsearch</title>
<style>{_file("style.css")}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
<header>
<h1>{escape(title)}</h1>
<p class="about">{escape(about)}</p>
</header>
<nav aria-label="Sections"><ul>{links}</ul></nav>
<main id="main" tabindex="-1">
{"".join(map(_section, shown))}</main>
{_scripts(content, scripts) if scripts else ""}</body>
</html>
"""


def write_page(path: Path, text: str) -> Path:
    """Put the page in its place, whole or not at all."""
    write_atomically(path, lambda file: file.write(text.encode()))
    return path


def _section(one: PageSection) -> str:
    name = f"{one.anchor}-title"
    return (
        f'<section id="{one.anchor}" aria-labelledby="{name}">\n<h2 id="{name}">{escape(one.title)}</h2>\n'
        f"{one.content}\n</section>\n"
    )


def _scripts(content: dict[str, Any], scripts: Sequence[str]) -> str:
    data = to_json(content).replace("</", "<\\/")
    own = "".join(
        f'<script type="text/plain" class="drawing">{_file(name)}</script>\n' for name in ("theme.js", *scripts)
    )
    return (
        f'<script type="application/json" id="content">{data}</script>\n{own}'
        f'<script type="application/gzip" id="plotly">{_packed_plotly()}</script>\n'
        f"<script>{_file('start.js')}</script>\n"
    )


@cache
def _packed_plotly() -> str:
    """Compressed, as it is nearly all of the page: 2 MB instead of 5, and still one file.

    At the highest level it would be 0.2 % smaller, and take a quarter longer.
    """
    return base64.b64encode(gzip.compress(get_plotlyjs().encode(), compresslevel=6, mtime=0)).decode()


def _file(name: str) -> str:
    return files("growsearch.report").joinpath(name).read_text()
