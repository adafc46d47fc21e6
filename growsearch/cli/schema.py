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
    from growsearch.runs.files import write_text

    document = file_schema()
    if out is None:
        emit(document)
        return
    write_text(out, json.dumps(document, indent=2) + "\n")
    say(f"{out}: put `# yaml-language-server: $schema={out}` at the head of a YAML file")
