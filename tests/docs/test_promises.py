"""Every promise stands beside tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "promises.md"
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
ROWS = [
    line
    for line in PAGE.read_text().splitlines()
    if line.startswith("|") and not line.startswith(("|---", "| promise |"))
]


def missing(row: str) -> list[str]:
    """The tests of a row that do not exist."""
    found = TEST.findall(row)
    return [
        f"{path}::{name}"
        for path, name in found
        if not (ROOT / path).is_file() or not re.search(rf"^def {name}\(", (ROOT / path).read_text(), re.MULTILINE)
    ]


@pytest.mark.parametrize("row", ROWS)
def test_a_promise_has_tests_that_exist(row: str) -> None:
    assert TEST.search(row)
    assert missing(row) == []


def test_a_test_that_does_not_exist_is_found() -> None:
    assert missing("| it flies | `tests/docs/test_promises.py::test_flying` |") == [
        "tests/docs/test_promises.py::test_flying"
    ]
    assert missing("| it walks | `tests/nowhere.py::test_walking` |") == ["tests/nowhere.py::test_walking"]
