"""`growsearch schema`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from growsearch.cli.handling import handled
from growsearch.cli.output import emit, say

Target = Annotated[Path | None, typer.Option(metavar="FILE", help="Write the schema into a file.", dir_okay=False)]


@handled
def schema(out: Target = None) -> None:
    """Print the JSON Schema of files, for editors that complete and check YAML."""
    import json

    from growsearch.config.schema import file_schema
    from growsearch.errors import InputError

    document = file_schema()
    if out is None:
        emit(document)
        return
    try:
        out.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{out}: cannot be written: {error.strerror or error}") from error
    say(f"{out}: put `# yaml-language-server: $schema={out}` at the head of a YAML file")
