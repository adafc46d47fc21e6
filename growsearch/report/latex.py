"""Tables for LaTeX, with the lines of the package booktabs."""

from __future__ import annotations

from collections.abc import Sequence

from growsearch.report.tables import Table

_SPECIAL = {
    "\\": r"\textbackslash{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": "$<$",
    ">": "$>$",
    "±": r"$\pm$",
    "−": "$-$",
    "→": r"$\to$",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "–": "--",
}


def to_latex(tables: Sequence[Table]) -> str:
    """All tables as floats with caption and label, in ASCII as far as the names are."""
    return "% needs \\usepackage{booktabs}\n" + "\n".join(map(_float, tables))


def _float(table: Table) -> str:
    rows = "\n".join(_row(row) for row in table.rows)
    return "\n".join(
        (
            r"\begin{table}",
            r"  \centering",
            f"  \\caption{{{escape(table.caption)}}}",
            f"  \\label{{tab:{table.name}}}",
            f"  \\begin{{tabular}}{{l{'r' * (len(table.titles) - 1)}}}",
            r"    \toprule",
            _row(table.titles),
            r"    \midrule",
            *([rows] if rows else []),
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
            "",
        )
    )


def _row(cells: Sequence[str]) -> str:
    return f"    {' & '.join(map(escape, cells))} \\\\"


def escape(text: str) -> str:
    """Text as LaTeX shows it."""
    return "".join(_SPECIAL.get(letter, letter) for letter in text)
