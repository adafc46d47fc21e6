"""Docstrings say what a caller has to know."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (ROOT / "growsearch", ROOT / "strategies" / "growsearch_strategies")
ELSEWHERE = {
    "require": "documented where it is declared, in Initializer",
    "suggest_float": "Optuna's",
    "suggest_int": "Optuna's",
}
MANY = 4


def functions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, ast.FunctionDef]]:
    """Public functions and methods, constructors left out: their class says what they take."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from functions(node, f"{node.name}.")
        elif isinstance(node, ast.FunctionDef) and not node.name.startswith(("_", "test_")):
            yield prefix + node.name, node


def parameters(function: ast.FunctionDef) -> list[str]:
    known = function.args
    every = [*known.posonlyargs, *known.args, *known.kwonlyargs]
    return [one.arg for one in every if one.arg not in ("self", "cls")]


def without_arguments(text: str) -> list[str]:
    """Functions of four parameters and more that do not say what each of them is."""
    return [
        name
        for name, function in functions(ast.parse(text))
        if len(parameters(function)) >= MANY
        and name.rpartition(".")[2] not in ELSEWHERE
        and not all(f"{each}:" in _section(function) for each in parameters(function))
    ]


def _section(function: ast.FunctionDef) -> str:
    """What stands under `Args`; a parameter may share its line with others."""
    section = (ast.get_docstring(function) or "").partition("Args:\n")[2]
    return section.replace(", ", ":, ").replace(" and ", ": and ")


# A command's parameters have their help.
FILES = [path for folder in PACKAGES for path in sorted(folder.rglob("*.py")) if path.parent.name != "cli"]


def test_every_public_function_of_many_parameters_says_what_they_are() -> None:
    found = {str(path.relative_to(ROOT)): names for path in FILES if (names := without_arguments(path.read_text()))}
    assert found == {}


@pytest.mark.parametrize(
    ("docstring", "lacking"),
    [
        ("", True),
        ("Args:\n        a: one\n        b, c: two\n        d: three", False),
        ("Args:\n        a: one", True),
    ],
)
def test_the_check_sees_what_is_lacking(docstring: str, lacking: bool) -> None:
    """Negative control."""
    text = f'def known(a, b, c, d):\n    """Do it.\n\n    {docstring}\n    """\n'
    assert without_arguments(text) == (["known"] if lacking else [])
