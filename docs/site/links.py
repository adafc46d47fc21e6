"""Links that the site cannot show as they stand: those that mean a folder, and those within titles."""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata

TITLE = re.compile(r"^#.*$", re.MULTILINE)
LINK = re.compile(r"\[([^\]]+)\]\(([^)\s#:]+)\)")


def to_pages(text: str, folder: Path) -> str:
    """Return a page whose links to folders lead to their README; `folder` is the page's own.

    A folder that has none loses its link, and so does a title: Sphinx has no place for one in its contents.
    """

    def page(match: re.Match[str]) -> str:
        target = folder / match[2]
        if not target.is_dir():
            return match[0]
        return f"[{match[1]}]({match[2].rstrip('/')}/README.md)" if (target / "README.md").exists() else match[1]

    return LINK.sub(page, TITLE.sub(lambda title: LINK.sub(r"\1", title[0]), text))


def setup(app: Sphinx) -> ExtensionMetadata:
    """Rewrite each page as it is read."""

    def read(app: Sphinx, name: str, content: list[str]) -> None:
        content[0] = to_pages(content[0], Path(app.env.doc2path(name)).parent)

    app.connect("source-read", read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
