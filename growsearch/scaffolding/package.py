"""A package on disk: its module, its entry point and its test."""

from __future__ import annotations

import keyword
import re
import shutil
import sys
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from string import Template

from growsearch.errors import CannotWrite, InputError
from growsearch.registry import NOUNS, lookup, names
from growsearch.scaffolding.kinds import KINDS, Kind
from growsearch.writing import writing

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_LONGEST = 40


def write_package(kind: str, name: str, folder: Path) -> list[Path]:
    """Write the skeleton of a package that adds `name`, of a kind in `KINDS`, as the new folder `folder`.

    Returns the files: the module, `pyproject.toml` and the test. Raises `InputError` for a name that cannot be used, or
    a folder that is there or cannot be written.
    """
    found = KINDS[kind]
    _check_name(name, found)
    words = {
        "name": name,
        "kind": "".join(word.capitalize() for word in name.split("_")),
        "distribution": f"growsearch-{name.replace('_', '-')}",
        "group": found.group,
        "laws": found.laws,
    }
    words["subject"] = Template(found.subject).substitute(words)
    words["target"] = name if found.function else words["kind"]
    content = {
        Path(name, "__init__.py"): _filled(kind, words),
        Path("pyproject.toml"): _filled("pyproject", words),
        Path("tests", f"test_{name}.py"): _filled("test", words),
    }
    if folder.exists():
        raise InputError(f"{folder} is there already: give another name, or another folder by --out")
    try:
        with writing(folder):
            for path, text in content.items():
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_text(text, encoding="utf-8")
    except CannotWrite:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return [folder / path for path in content]


def _filled(template: str, words: dict[str, str]) -> str:
    text = (files("growsearch.scaffolding") / "templates" / f"{template}.txt").read_text(encoding="utf-8")
    return Template(text).substitute(words)


def _check_name(name: str, kind: Kind) -> None:
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        plain = re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()).strip("_")[:_LONGEST]
        hint = f", such as {plain.strip('_')}" if _NAME.fullmatch(plain.strip("_")) else ""
        raise InputError(
            f"name {name!r}: use small letters and digits, words joined by _, at most {_LONGEST} characters{hint}"
        )
    if keyword.iskeyword(name) or keyword.issoftkeyword(name) or name in sys.stdlib_module_names:
        raise InputError(f"name {name!r} means something in Python: choose another, such as my_{name}")
    if name in names(kind.group):
        owner = lookup(kind.group, name).__module__.partition(".")[0]
        raise InputError(f"name {name!r}: {owner} has it already ({NOUNS[kind.group]}): choose another")
    if name in ("tests", "strategies", "search_spaces") or find_spec(name) is not None:
        raise InputError(f"name {name!r}: a package of this name is installed: choose another, such as my_{name}")
