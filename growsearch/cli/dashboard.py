"""`growsearch dashboard`."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from growsearch.cli import completing
from growsearch.cli.handling import handled
from growsearch.cli.output import say

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

Run = Annotated[
    Path | None,
    typer.Argument(
        metavar="[RUN]", help="The folder of a search.", autocompletion=completing.run_folders, show_default=False
    ),
]
Storage = Annotated[
    str | None,
    typer.Option(metavar="STORAGE", help="Instead of RUN: where studies are kept, as for search.", show_default=False),
]
Host = Annotated[str, typer.Option(metavar="HOST", help="Address to listen on; it has no login and no encryption.")]
Port = Annotated[int, typer.Option(min=0, max=65535, metavar="PORT", help="Port to listen on; 0: any free one.")]


@handled
def dashboard(run: Run = None, storage: Storage = None, host: Host = "localhost", port: Port = 8080) -> None:
    """Look at a search in a browser, also while it runs: trials, curves, importance of the parameters."""
    from growsearch.search.dashboard import make_dashboard

    opened, page = _opened(run, storage)
    with make_dashboard(opened, host, port) as server, suppress(KeyboardInterrupt):
        say(f"dashboard at http://{host}:{server.server_port}{page} (Ctrl-C ends it)")
        server.serve_forever()


def _opened(run: Path | None, storage: str | None) -> tuple[BaseStorage, str]:
    """A storage, and the path of the page to look at; `InputError` where there is nothing to see."""
    from growsearch.errors import InputError
    from growsearch.search.run import open_folder
    from growsearch.search.storage import open_storage

    if (run is None) == (storage is None):
        found = "neither" if run is None else "both"
        raise InputError(f"give the folder of a search or --storage STORAGE (found {found})")
    if run is not None:
        study = open_folder(run)
        return study.storage, f"/dashboard/studies/{study.id}"
    assert storage is not None
    if "://" not in storage and not Path(storage).is_file():
        raise InputError(f"storage {storage}: there is no such journal: growsearch search makes one")
    return open_storage(storage), "/dashboard"
