"""Pieces of HTML that need no script: tables, controls, closed parts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from growsearch.report.tables import Table


def table(shown: Table, best: str | None = None) -> str:
    """A table of text; the row with the title `best` stands out."""
    body = []
    for row in shown.rows:
        mark = ' class="best"' if best is not None and row[0] == best else ""
        cells = "".join(f"<td>{escape(cell)}</td>" for cell in row[1:])
        body.append(f'<tr{mark}><th scope="row">{escape(row[0])}</th>{cells}</tr>\n')
    return frame(shown.caption, head(shown.titles), "".join(body))


def stacked_table(shown: Table, best: str | None = None) -> str:
    """A table of text that becomes a list where the screen is narrow; for few rows, such as one for each policy."""
    rows = [(escape(row[0]), [escape(cell) for cell in row[1:]], row[0] == best) for row in shown.rows]
    return stacked(shown.caption, shown.titles, rows)


def stacked(caption: str, titles: Sequence[str], rows: Iterable[tuple[str, Sequence[str], bool]]) -> str:
    """A table that becomes a list where the screen is narrow: a cell below the other, each with its title.

    The roles keep it a table for who hears it: browsers take that away from cells that are shown otherwise.

    Args:
        caption: text.
        titles: text, of the rows' own titles and of every cell.
        rows: of each its title and its cells, in HTML, and whether it stands out.
    """
    body = []
    for name, cells, best in rows:
        shown = "".join(
            f'<td role="cell" data-title="{escape(title)}">{cell}</td>'
            for title, cell in zip(titles[1:], cells, strict=True)
        )
        mark = ' class="best"' if best else ""
        body.append(f'<tr role="row"{mark}><th role="rowheader" scope="row">{name}</th>{shown}</tr>\n')
    first = "".join(f'<th role="columnheader" scope="col">{escape(title)}</th>' for title in titles)
    made = frame(caption, f'<tr role="row">{first}</tr>', "".join(body))
    return '<div class="stack">' + made.replace("<table>", '<table role="table">') + "</div>"


def head(titles: Iterable[str]) -> str:
    """The row of the columns' titles."""
    cells = "".join(f'<th scope="col">{escape(title)}</th>' for title in titles)
    return f"<tr>{cells}</tr>"


def frame(caption: str, header: str, body: str) -> str:
    """A table from its parts, in a box that scrolls sideways, also by keyboard; captions are text, the rest HTML."""
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{escape(_first_sentence(caption))}"><table>'
        f"<caption><span>{escape(caption)}</span></caption><thead>{header}</thead><tbody>\n{body}</tbody></table></div>"
    )


def controls(name: str, legend: str, options: Mapping[str, str]) -> str:
    """Radio buttons; the first is chosen."""
    buttons = "".join(
        f'<label><input type="radio" name="{name}" value="{escape(value)}"{" checked" if index == 0 else ""}> '
        f"{escape(label)}</label>"
        for index, (value, label) in enumerate(options.items())
    )
    return f"<fieldset><legend>{escape(legend)}</legend>{buttons}</fieldset>"


def menu(name: str, label: str, options: Iterable[str], chosen: str | None) -> str:
    """A list to choose one from; without `chosen` the first is.

    Args:
        name: of the element.
        label: before it.
        options: values and what is shown for them.
        chosen: a value.
    """
    items = "".join(f"<option{' selected' * (one == chosen)}>{escape(one)}</option>" for one in options)
    return f'<p class="controls"><label for="{name}">{escape(label)}</label> <select id="{name}">{items}</select></p>'


def details(summary: str, content: str, anchor: str = "") -> str:
    """A part that is closed at first."""
    named = f' id="{anchor}"' if anchor else ""
    return f"<details{named}><summary>{escape(summary)}</summary>{content}</details>"


def chart(anchor: str, label: str, note: str) -> str:
    """A place for a chart, a note, and a table of what it shows, which the script fills when it is opened."""
    return (
        f'<div id="{anchor}" class="plot" role="img" aria-label="{escape(label)}" aria-describedby="{anchor}-note">'
        f'</div>\n<p class="note" id="{anchor}-note">{escape(note)}</p>\n'
        f"{details('The chart as a table', '', f'{anchor}-table')}"
    )


def note(text: str) -> str:
    """A remark in small print."""
    return f'<p class="note">{escape(text)}</p>'


def _first_sentence(text: str) -> str:
    return text.partition(". ")[0].rstrip(".")
