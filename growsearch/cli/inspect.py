"""`growsearch inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from growsearch.cli import completing
from growsearch.cli.handling import handled
from growsearch.cli.options import AllowImport, Json, Sets
from growsearch.cli.output import emit, say, show
from growsearch.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

File = Annotated[
    str | None,
    typer.Argument(
        metavar="[FILE]", help="A YAML file or the name of a shipped search space.", autocompletion=completing.files
    ),
]
Network = Annotated[
    str | None,
    typer.Option(
        metavar="NETWORK",
        help="A network instead of a file: vgg11, torchvision:resnet18, '{name: mlp, ...}'.",
        autocompletion=completing.networks,
    ),
]
Policy = Annotated[str | None, typer.Option(metavar="NAME", help="The network of one of the file's policies.")]
Input = Annotated[str, typer.Option("--input", metavar="SHAPE", help="Shape of an input, with --network.")]
Outputs = Annotated[int, typer.Option(min=1, metavar="N", help="Number of outputs, with --network.")]
Svg = Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the graph into a file.", dir_okay=False)]


@handled
def inspect(
    file: File = None,
    network: Network = None,
    policy: Policy = None,
    input_: Input = "3x32x32",
    outputs: Outputs = 10,
    svg: Svg = None,
    set_: Sets = None,
    as_json: Json = False,
    allow_import: AllowImport = False,
) -> None:
    """Show a network: its layers, the sites where it can grow, and what a unit costs there."""
    if (file is None) == (network is None):
        raise InputError("inspect needs a FILE or a --network, and not both")
    if file is not None:
        spec, example, outputs = _from_file(file, set_ or [], policy, allow_import)
    else:
        spec, example = _parse_network(str(network)), _example(input_)
    from growsearch.drawing.svg import graph_svg
    from growsearch.drawing.terminal import block_table, network_tree, site_table
    from growsearch.graph import to_json, trace
    from growsearch.networks import build_network

    graph = trace(build_network(spec, tuple(example.shape[1:]), outputs, allow_import), example)
    if svg is not None:
        _write(svg, graph_svg(graph))
    if as_json:
        emit(to_json(graph))
        return
    show(network_tree(graph), site_table(graph))
    if graph.block_sites or graph.no_block_sites:
        show(block_table(graph))


def _from_file(
    file: str, overrides: list[str], policy: str | None, allow_import: bool
) -> tuple[dict[str, Any], Tensor, int]:
    """Network, example inputs and outputs of a file; ranges stand at their low end."""
    from growsearch.config import load_space
    from growsearch.data import load_data

    config = load_space(file, overrides, allow_import=allow_import).first()
    if policy is not None:
        from growsearch.cli.run import choose

        config = choose(config, policy, file)
    data = load_data(config.data, 0, config.allow_import)
    return config.network, data.example(), data.outputs


def _parse_network(text: str) -> dict[str, Any]:
    from growsearch.yaml_source import parse_value

    value = parse_value(text, "--network") if text.lstrip().startswith("{") else text
    return {"name": value} if isinstance(value, str) else dict(value)


def _example(text: str) -> Tensor:
    import torch

    parts = text.lower().split("x")
    if not all(part.isdigit() and int(part) > 0 for part in parts):
        raise InputError(f"--input {text}: not a shape (allowed: sizes joined by x, such as 3x32x32 or 20)")
    return torch.zeros(2, *map(int, parts))


def _write(path: Path, text: str) -> None:
    from growsearch.runs.files import write_text

    write_text(path, text)
    say(f"drawn into {path}")
