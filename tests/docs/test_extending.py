"""The packages of the tutorial keep the laws: its snippets run here as they stand, and their tests are collected."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[2] / "docs" / "extending.md"
TEXT = PAGE.read_text()
SNIPPETS = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)

for _snippet in SNIPPETS:
    exec(compile(_snippet, str(PAGE), "exec"))


def test_every_package_has_its_test_and_is_short() -> None:
    modules, tests = SNIPPETS[::2], SNIPPETS[1::2]

    assert len(modules) == len(tests) == 4 and all("growsearch.testing" in test for test in tests)
    assert all(len((module + test).splitlines()) <= 60 for module, test in zip(modules, tests, strict=True))


def test_the_entry_points_name_what_is_shown() -> None:
    [toml] = re.findall(r"^```toml\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    groups: dict[str, Any] = tomllib.loads(toml)["project"]["entry-points"]
    shown = {name: target.partition(":")[2] for entries in groups.values() for name, target in entries.items()}

    assert shown == {"orthogonal": "Orthogonal", "moons": "Moons", "residual_mlp": "ResidualMLP", "snake": "snake"}
    assert all(target in globals() for target in shown.values())
    written = re.findall(r"^growsearch new \w+ (\w+)", TEXT, re.MULTILINE)
    assert sorted(written) == sorted(shown)
