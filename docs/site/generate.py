"""What the site shows and nobody writes: it is made into docs/_generated before the pages are read."""

from __future__ import annotations

import shutil
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata

from docs.site import commands, methods, notebooks, reference

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "_generated"
MAKERS = (methods.pages, notebooks.pages, reference.pages, commands.pages)


def generate() -> None:
    """Write every page that is made, into an empty folder."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    for make in MAKERS:
        for name, text in make().items():
            path = FOLDER / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


def setup(app: Sphinx) -> ExtensionMetadata:
    """Make the pages once the configuration is read."""
    app.connect("builder-inited", lambda app: generate())
    return {"parallel_read_safe": True, "parallel_write_safe": True}
