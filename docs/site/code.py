"""Blocks of commands: the pages show them without prompts, which Pygments would take for a program's output."""

from __future__ import annotations

from pygments.lexers.shell import BashLexer
from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata


def setup(app: Sphinx) -> ExtensionMetadata:
    """Colour `console` blocks as the shell reads them."""
    app.add_lexer("console", BashLexer)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
