"""The gallery: notebooks in percent format, run while the site is built, with what their cells print and return."""

from __future__ import annotations

import ast
import base64
import contextlib
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
CELL = re.compile(r"^# %%( \[markdown\])?\n(.*?)(?=^# %%|\Z)", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Cell:
    """A cell: prose as Markdown, or code with what it printed and, as HTML or text, what its last line is."""

    prose: bool
    text: str
    printed: str = ""
    shown: str = ""


def run(path: Path) -> list[Cell]:
    """Run the code of a notebook, cell after cell, in one namespace."""
    scope: dict[str, Any] = {"__name__": "__main__"}
    return [_cell(mark, text.strip("\n"), scope, path) for mark, text in CELL.findall(path.read_text())]


def pages() -> dict[str, str]:
    """Return the text of each page by its file, and of the list of them."""
    texts, rows = {}, []
    for path in sorted(FOLDER.glob("*.py")):
        cells = run(path)
        file = f"[The notebook](../../notebooks/{path.name})"
        link = f"\n{file}, for Jupyter with jupytext and for editors that know `# %%`.\n"
        texts[f"notebooks/{path.stem}.md"] = "\n".join([*(_markdown(cell) for cell in cells), link])
        rows.append(path.stem)
    tree = "\n".join(["```{toctree}", "", *rows, "```", ""])
    texts["notebooks/index.md"] = (
        f"# Notebooks\n\nEach answers a question, and runs while this site is built.\n\n{tree}"
    )
    return texts


def _cell(mark: str, text: str, scope: dict[str, Any], path: Path) -> Cell:
    if mark:
        return Cell(True, re.sub(r"^# ?", "", text, flags=re.MULTILINE))
    tree = ast.parse(text, str(path))
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(compile(tree, str(path), "exec"), scope)
        value = (
            eval(compile(ast.Expression(last.value), str(path), "eval"), scope) if isinstance(last, ast.Expr) else None
        )
    return Cell(False, text, out.getvalue(), _shown(value))


def _shown(value: Any) -> str:
    for name in ("_repr_svg_", "_repr_html_"):
        if hasattr(value, name):
            return str(getattr(value, name)())
    return "" if value is None else f"```text\n{value!r}\n```"


def _markdown(cell: Cell) -> str:
    if cell.prose:
        return f"{cell.text}\n"
    shown = cell.shown
    if shown.startswith("<svg"):
        # As a picture: its style is then its own.
        data = base64.b64encode(shown.encode()).decode()
        shown = f'<img alt="what the cell returns, drawn" src="data:image/svg+xml;base64,{data}">'
    if shown.startswith("<"):
        shown = f'```{{raw}} html\n<div class="shown">{shown}</div>\n```'
    printed = f"```text\n{cell.printed.rstrip()}\n```\n" if cell.printed else ""
    return f"```python\n{cell.text}\n```\n\n{printed}\n{shown}\n"
