"""Build the site, with warnings as errors: `uv run --group docs python -m docs.site.build [FOLDER]`."""

from __future__ import annotations

import sys
from pathlib import Path

from sphinx.cmd.build import main

ROOT = Path(__file__).resolve().parents[2]


def build(folder: Path) -> int:
    """Build into a folder; 0 where nothing is wrong."""
    options = ["-W", "--keep-going", "-q", "-b", "html", "-c", str(ROOT / "docs" / "site"), "-d", f"{folder}.doctrees"]
    return main([*options, str(ROOT), str(folder)])


if __name__ == "__main__":
    sys.exit(build(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "dist" / "site"))
