"""The search spaces that come with growsearch."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
# The wheel has them as data of the package; a checkout beside it.
SHIPPED = next(
    folder / "search_spaces" for folder in (_PACKAGE, _PACKAGE.parent) if (folder / "search_spaces").is_dir()
)


def shipped_names() -> list[str]:
    """Return their names."""
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))
