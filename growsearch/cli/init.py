"""`growsearch init`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from growsearch.cli.handling import handled
from growsearch.cli.options import Json
from growsearch.cli.output import emit, say

File = Annotated[Path, typer.Argument(metavar="[FILE]", help="The file to write.", dir_okay=False)]
Data = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="digits, cifar10, cifar100, arrays (or a table), image_folder, text.", show_default="asked"
    ),
]
Where = Annotated[
    str | None,
    typer.Option("--path", metavar="PATH", help="The folder of images, or the file: .npz, .pt or .csv; of text."),
]
Target = Annotated[str | None, typer.Option(metavar="COLUMN", help="The column of a .csv table that is learned.")]
Network = Annotated[str | None, typer.Option(metavar="NAME", help="The network.", show_default="asked")]
How = Annotated[str | None, typer.Option(metavar="NAME", help="How new parts start.", show_default="asked")]
Count = Annotated[int, typer.Option("--seeds", min=1, metavar="N", help="Seeds of every policy.")]


@handled
def init(
    file: File = Path("growth.yaml"),
    data: Data = None,
    path: Where = None,
    target: Target = None,
    network: Network = None,
    how: How = None,
    seeds: Count = 6,
    as_json: Json = False,
) -> None:
    """Write a first file of your own, with comments: a growing network beside two that do not grow.

    On a terminal it asks for what is not given; elsewhere it takes what is usual.
    """
    from growsearch.config.starter import (
        STARTS,
        Answers,
        advice,
        initializers,
        needs_target,
        networks_for,
        write_starter,
    )

    data = data or _asked("data", list(STARTS))
    start = STARTS.get(data)
    if start is not None:
        if start.path and path is None and sys.stdin.isatty():
            path = typer.prompt(f"{start.path} of {data}", default="", err=True) or None
        if target is None and needs_target(Answers(data, path)) and sys.stdin.isatty():
            target = typer.prompt("column that is learned", default="", err=True) or None
        network = network or _asked("network", networks_for(Answers(data, path)))
        how = how or _asked("how new parts start", initializers(data))
    answers = Answers(data, path, target, network, how, seeds)
    written, reasons = write_starter(file, answers), advice(answers).reasons
    if as_json:
        emit({"file": str(written), "data": data, "network": network, "how": how, "seeds": seeds, "reasons": reasons})
        return
    if path is not None and not Path(path).expanduser().exists():
        say(f"{path} is not there yet: the file needs it to train")
    for why in reasons:
        say(why)
    say(f"{written}: written. Next: growsearch validate {written}, then growsearch compare {written}")


def _asked(what: str, allowed: Sequence[str]) -> str:
    """The answer of who sits at the terminal, who is asked until it is one of these; elsewhere the first."""
    answer = "" if sys.stdin.isatty() else allowed[0]
    while answer not in allowed:
        answer = typer.prompt(f"{what} ({', '.join(allowed)})", default=allowed[0], err=True)
    return answer
