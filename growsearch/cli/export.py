"""`growsearch export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from growsearch.cli import completing
from growsearch.cli.handling import handled
from growsearch.cli.options import AllowImport, Json
from growsearch.cli.output import emit, show

if TYPE_CHECKING:
    from growsearch.export import Exported

Folder = Annotated[
    Path,
    typer.Argument(
        metavar="RUN",
        help="The folder of a run or comparison, or one of its POLICY/seed-K.",
        autocompletion=completing.run_folders,
    ),
]
Policy = Annotated[str | None, typer.Option(metavar="NAME", help="Which policy, where the folder holds several.")]
Seed = Annotated[int | None, typer.Option(min=0, metavar="N", help="Which seed, where the folder holds several.")]
Formats = Annotated[
    list[str] | None,
    typer.Option("--format", metavar="NAME", help="safetensors, torch, onnx; repeatable.", show_default="safetensors"),
]
Out = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Where to.", show_default="RUN/POLICY/seed-K/export", file_okay=False)
]
Sparse = Annotated[
    bool, typer.Option("--sparse", help="Leave out dead units and dormant connections (networks with masks).")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No table.")]


@handled
def export(
    run: Folder,
    policy: Policy = None,
    seed: Seed = None,
    format_: Formats = None,
    out: Out = None,
    sparse: Sparse = False,
    as_json: Json = False,
    quiet: Quiet = False,
    allow_import: AllowImport = False,
) -> None:
    """Write a finished run's network for other programs; each file is read again and compared."""
    from growsearch.export import export_network, find_network

    folder = find_network(run, policy, seed)
    exported = export_network(folder, format_ or ["safetensors"], out, sparse, allow_import)
    if as_json:
        files = [
            {"format": one.format, "path": str(one.path), "bytes": one.bytes, "difference": one.difference}
            for one in exported
        ]
        emit({"network": str(folder), "files": files})
    elif not quiet:
        _show(exported)


def _show(exported: list[Exported]) -> None:
    from rich.table import Table

    table = Table("format", "file", "bytes", "largest difference of the outputs")
    for one in exported:
        compared = "not compared: onnxruntime is not installed" if one.difference is None else f"{one.difference:.2g}"
        table.add_row(one.format, str(one.path), f"{one.bytes:,}", compared)
    show(table)
    for one in exported:
        if one.format == "safetensors":
            show(f"in Python: growsearch.load({str(one.path.parent)!r})")
