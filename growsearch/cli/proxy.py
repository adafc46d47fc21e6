"""`growsearch proxy`."""

from __future__ import annotations

from typing import Annotated

import typer

from growsearch.cli.handling import INTERRUPTED, handled
from growsearch.cli.output import say

Storage = Annotated[str, typer.Option(metavar="STORAGE", help="The database: postgresql://USER@HOST:PORT/DATABASE.")]
Host = Annotated[str, typer.Option(metavar="HOST", help="Address to listen on; 0.0.0.0 for all.")]
Port = Annotated[int, typer.Option(min=1, max=65535, metavar="PORT", help="Port to listen on.")]


@handled
def proxy(storage: Storage, host: Host = "localhost", port: Port = 13000) -> None:
    """Stand before a database for many workers, which name it as grpc://HOST:PORT; has no login and no encryption."""
    from growsearch.search.storage import serve_proxy, shown

    try:
        serve_proxy(storage, host, port, lambda: say(f"grpc://{host}:{port} stands before {shown(storage)}"))
    except KeyboardInterrupt as interrupt:
        raise typer.Exit(INTERRUPTED) from interrupt
