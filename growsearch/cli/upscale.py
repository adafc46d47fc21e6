"""`growsearch upscale`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from growsearch.cli.handling import handled
from growsearch.cli.options import Json
from growsearch.cli.output import emit, say, show

if TYPE_CHECKING:
    from growsearch.upscaling import Written

Folder = Annotated[
    Path,
    typer.Argument(
        metavar="CHECKPOINT", help="A folder of Hugging Face transformers: config.json and the weights, local."
    ),
]
Out = Annotated[Path, typer.Option(metavar="DIR", help="The folder to write; must not exist yet.", file_okay=False)]
Depth = Annotated[
    str | None, typer.Option(metavar="SIZE", help="Blocks; new ones are copies that add nothing at first.")
]
Preset = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="How blocks are added: llama-pro (copies that add nothing at first, 1.25 times the blocks unless --depth "
        "says otherwise) or solar (the middle blocks come twice, 1.5 times; changes what the network computes).",
    ),
]
Heads = Annotated[
    str | None,
    typer.Option(metavar="SIZE", help="Heads of attention of each block; heads of keys and values grow in proportion."),
]
MLP = Annotated[str | None, typer.Option("--mlp", metavar="SIZE", help="Hidden features of each block's MLP.")]
Residual = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE",
        help="Features of the residual stream; heads follow where an architecture has no size of a head.",
    ),
]
How = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="How wider layers begin: zero (what reads new units, or what makes them, is 0) or copy_width (they copy "
        "the old ones in turn, and share what reads them).",
    ),
]
RoundTo = Annotated[
    int, typer.Option(min=1, metavar="N", help="--mlp and --residual become the nearest multiple of this.")
]
Float32 = Annotated[
    bool, typer.Option("--float32", help="Write float32, whatever the old number format: nothing is rounded.")
]
Seed = Annotated[int, typer.Option(min=0, metavar="N", help="Seed of what is drawn for new weights.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No table.")]

_SHOWN = 1e-5


@handled
def upscale(
    checkpoint: Folder,
    out: Out,
    depth: Depth = None,
    preset: Preset = None,
    heads: Heads = None,
    mlp: MLP = None,
    residual: Residual = None,
    round_to: RoundTo = 1,
    how: How = "zero",
    seed: Seed = 0,
    float32: Float32 = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Make a larger checkpoint from one of Hugging Face transformers that computes the same, to be trained on.

    A SIZE is a whole number, such as 24, or a multiple of what there is, such as 1.5 or 2x. What is written is loaded
    again by transformers alone and compared; new_parameters.json says which parameters are new. Needs growsearch
    with its extra "transformers".
    """
    from growsearch.upscaling import Wishes, parse_size, preset_named, upscale_folder

    given = {"depth": depth, "heads": heads, "mlp": mlp, "residual": residual}
    sizes = {name: parse_size(text, f"--{name}") for name, text in given.items() if text is not None}
    chosen = preset_named(preset or "llama-pro")
    if preset is not None:
        sizes.setdefault("depth", chosen.depth)
    written = upscale_folder(checkpoint, out, Wishes(**sizes, round_to=round_to), how, chosen.how, seed, float32)
    if as_json:
        emit(_plain(written))
    elif not quiet:
        _show(written)


def _plain(written: Written) -> dict[str, Any]:
    before, after = written.parameters
    return {
        "folder": str(written.folder),
        "sizes": {name: [written.upscaled.before[name], size] for name, size in written.upscaled.after.items()},
        "config": {name: list(values) for name, values in written.fields.items()},
        "parameters": [before, after],
        "new": written.upscaled.new_elements,
        "exact": written.upscaled.exact,
        "difference": written.difference,
        "unrounded": written.unrounded,
        "dtype": written.dtype,
        "copied": list(written.copied),
        "left_out": list(written.left_out),
    }


def _show(written: Written) -> None:
    from rich.table import Table

    table = Table("", "before", "after")
    for name, size in written.upscaled.after.items():
        table.add_row(name, f"{written.upscaled.before[name]:,}", f"{size:,}")
    table.add_row("parameters", *(f"{count:,}" for count in written.parameters))
    show(table)
    changed = ", ".join(f"{name} {old} to {new}" for name, (old, new) in written.fields.items())
    show(f"config.json: {changed}")
    show(f"outputs at step 0: largest difference {written.difference:.2g}, relative to the largest output")
    if written.upscaled.exact and written.difference > _SHOWN > written.unrounded:
        show(f"before weights were rounded to {written.dtype}: {written.unrounded:.2g} (--float32 does not round)")
    if not written.upscaled.exact:
        show("stacked blocks change what the network computes: train it on, until the loss is back and below")
    show(f"{written.upscaled.new_elements:,} numbers are new: new_parameters.json names them")
    if written.left_out:
        say(f"not copied: {', '.join(written.left_out)}")
    show(f"written to {written.folder}")
