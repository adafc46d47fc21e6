"""Arguments and flags that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from growsearch.cli import completing

if TYPE_CHECKING:
    from growsearch.execution.cluster import Cluster


class Device(StrEnum):
    """Where to compute."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


class Executor(StrEnum):
    """What runs are handed to."""

    local = "local"
    ray = "ray"


File = Annotated[
    str,
    typer.Argument(
        metavar="FILE",
        help="A YAML file, or the name of a shipped file such as quickstart.",
        autocompletion=completing.files,
    ),
]
Out = Annotated[
    Path | None, typer.Option(metavar="DIR", help="The run folder.", show_default="runs/<file>-<time>", file_okay=False)
]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Override a value, e.g. training.epochs=5; repeatable."),
]
Seeds = Annotated[int | None, typer.Option(min=1, metavar="N", help="Run seeds 0 to N-1.", show_default="the file's")]
OnDevice = Annotated[Device, typer.Option(help="Where to compute; auto: CUDA where there is some.")]
Workers = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Runs at the same time.", show_default="one a core; on CUDA one")
]
Devices = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Train each run on N devices, a process each: GPUs, or on the CPU processes. The batch is that of all.",
        show_default="1",
    ),
]
OnExecutor = Annotated[
    Executor, typer.Option("--executor", help="Where runs are: processes of this machine, or a Ray cluster's nodes.")
]
Address = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT", help="Of the Ray cluster.", show_default="RAY_ADDRESS, or the one that runs here"
    ),
]
Slots = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Workers for each GPU, each with a share of its memory.", show_default="one"),
]
STORAGES = "a journal file, postgresql://USER@HOST:PORT/DATABASE, or grpc://HOST:PORT of a proxy"
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output, progress on standard error.")]
Log = Annotated[
    list[str] | None,
    typer.Option(
        "--log",
        metavar="NAME",
        help="Log to tensorboard or mlflow too; repeatable.",
        autocompletion=completing.loggers,
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no table.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be run, and leave.")]
AllowImport = Annotated[
    bool,
    typer.Option(
        "--allow-import", help="Let the file name a network or data set as package.module:callable; runs its code."
    ),
]


def cluster_of(executor: Executor, address: str | None) -> Cluster | None:
    """The cluster that is asked for; `InputError` where there is an address without one."""
    from growsearch.errors import InputError
    from growsearch.execution.cluster import Cluster

    if executor is Executor.ray:
        return Cluster(address)
    if address is not None:
        raise InputError(f"--address {address} is of a Ray cluster: give --executor ray too")
    return None
