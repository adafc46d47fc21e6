"""docs/architectures.md, made from results.json."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "architectures.md"


def page(found: dict[str, Any]) -> str:
    return ""
