"""What `growsearch new` writes is a package that keeps the laws: its own tests are collected and run here."""

from __future__ import annotations

import ast
import sys
import tempfile
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from growsearch.registry import GROUPS
from growsearch.scaffolding import KINDS, write_package

_FOLDER = tempfile.TemporaryDirectory()
FOLDERS = {kind: Path(_FOLDER.name) / kind for kind in KINDS}
for _kind, _folder in FOLDERS.items():
    write_package(_kind, f"sample_{_kind}", _folder)
    sys.path.append(str(_folder))
    exec(compile((_folder / "tests" / f"test_sample_{_kind}.py").read_text(), f"test_sample_{_kind}.py", "exec"))


def test_every_written_test_is_collected() -> None:
    assert [f"TestSample{kind.capitalize()}" in globals() for kind in KINDS] == [True] * 6


@pytest.mark.parametrize("kind", KINDS)
def test_the_entry_point_leads_to_what_is_tested(kind: str) -> None:
    project: Any = tomllib.loads((FOLDERS[kind] / "pyproject.toml").read_text())["project"]
    [(group, entries)] = project["entry-points"].items()
    module, _, attribute = entries[f"sample_{kind}"].partition(":")

    assert group.removeprefix("growsearch.") in GROUPS and group.removeprefix("growsearch.") == KINDS[kind].group
    assert callable(getattr(import_module(module), attribute))
    assert project["dependencies"] == ["growsearch"] and project["name"] == f"growsearch-sample-{kind}"


@pytest.mark.parametrize("kind", KINDS)
def test_modules_are_short_and_documented(kind: str) -> None:
    text = (FOLDERS[kind] / f"sample_{kind}" / "__init__.py").read_text()
    tree = ast.parse(text)
    documented = (ast.Module, ast.ClassDef)

    assert len(text.splitlines()) < 60 and "$" not in text
    assert all(ast.get_docstring(node) for node in ast.walk(tree) if isinstance(node, documented))
