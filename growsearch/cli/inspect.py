"""`growsearch inspect`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from growsearch.cli import completing
from growsearch.cli.handling import handled
from growsearch.cli.options import AllowImport, Json, Sets
from growsearch.cli.output import emit, say, show
from growsearch.errors import InputError
from growsearch.registry import nearest

if TYPE_CHECKING:
    from torch import Tensor, nn

    from growsearch.graph import NetworkGraph
    from growsearch.growth.changed_parameters import ChangedParameter

File = Annotated[
    str | None,
    typer.Argument(
        metavar="[FILE]",
        help="A YAML file, the name of a shipped file, or a run folder: what its network has become.",
        autocompletion=completing.files_and_runs,
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
Policy = Annotated[
    str | None, typer.Option(metavar="NAME", help="The network of one of the policies of a file, or a run folder.")
]
Seed = Annotated[int | None, typer.Option(min=0, metavar="N", help="Of a run folder: which of its runs.")]
Of = Annotated[
    list[str] | None,
    typer.Option(
        "--site",
        metavar="PATTERN",
        help="Only these sites, each with all tensors that change together; as in shells, repeatable.",
    ),
]
Input = Annotated[str, typer.Option("--input", metavar="SHAPE", help="Shape of an input, with --network.")]
Outputs = Annotated[int, typer.Option(min=1, metavar="N", help="Number of outputs, with --network.")]
Svg = Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the graph into a file.", dir_okay=False)]


@handled
def inspect(
    file: File = None,
    network: Network = None,
    policy: Policy = None,
    seed: Seed = None,
    site: Of = None,
    input_: Input = "3x32x32",
    outputs: Outputs = 10,
    svg: Svg = None,
    set_: Sets = None,
    as_json: Json = False,
    allow_import: AllowImport = False,
) -> None:
    """Show a network: its layers, the sites where it can grow, what a unit costs there, and what a run made of it."""
    if (file is None) == (network is None):
        raise InputError("inspect needs a FILE or a --network, and not both")
    changed: dict[str, ChangedParameter] = {}
    if file is not None and Path(file).is_dir():
        if set_:
            raise InputError(f"{file} is a run folder, whose network is what it is: leave out --set")
        model, graph, changed = _of_run(Path(file), policy, seed, allow_import)
    else:
        model, graph = _built(file, network, policy, input_, outputs, set_ or [], allow_import)
    if svg is not None:
        from growsearch.drawing.svg import graph_svg

        _write(svg, graph_svg(graph))
    if as_json:
        from growsearch.graph import to_json
        from growsearch.growth.refusals import refused_by

        refused = {
            name: {how: asdict(one) for how, one in own.items()} for name, own in refused_by(model, graph).items()
        }
        shapes = {name: {"before": one.before, "after": one.after} for name, one in changed.items()}
        emit({**to_json(graph), "refused_by": refused, **({"changed_parameters": shapes} if changed else {})})
    elif site:
        _show_sites(graph, site)
    else:
        _show(model, graph, changed)


def _show(model: nn.Module, graph: NetworkGraph, changed: Mapping[str, ChangedParameter]) -> None:
    from growsearch.drawing.plain import parameter_table
    from growsearch.drawing.terminal import block_table, network_tree, refusal_lines, site_table
    from growsearch.growth.refusals import refused_by

    refused = refused_by(model, graph)
    show(network_tree(graph), site_table(graph, refused), *refusal_lines(graph, refused))
    if graph.block_sites or graph.no_block_sites:
        show(block_table(graph))
    if changed:
        show("before the first growth, and now:", parameter_table(changed))


def _show_sites(graph: NetworkGraph, patterns: list[str]) -> None:
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in graph.sites):
            raise InputError(f"--site {pattern}: none of {', '.join(graph.sites)}{nearest(pattern, graph.sites)}")
    for name, one in graph.sites.items():
        if any(fnmatchcase(name, pattern) for pattern in patterns):
            show(str(one))


def _of_run(
    run: Path, policy: str | None, seed: int | None, allow_import: bool
) -> tuple[nn.Module, NetworkGraph, dict[str, ChangedParameter]]:
    from growsearch.export.finished import find_network
    from growsearch.training.before_and_after import before_and_after

    return before_and_after(find_network(run, policy, seed), allow_import)


def _built(
    file: str | None,
    network: str | None,
    policy: str | None,
    shape: str,
    outputs: int,
    overrides: list[str],
    allow_import: bool,
) -> tuple[nn.Module, NetworkGraph]:
    """What a file, or the flag, describes, and its graph."""
    from growsearch.graph import trace
    from growsearch.networks import build_network, reads_tokens

    if file is not None:
        spec, example, outputs = _from_file(file, overrides, policy, allow_import)
    else:
        spec = _parse_network(str(network))
        example = _example(shape, reads_tokens(spec))
    model = build_network(spec, tuple(example.shape[1:]), outputs, allow_import)
    return model, trace(model, example)


def _from_file(
    file: str, overrides: list[str], policy: str | None, allow_import: bool
) -> tuple[dict[str, Any], Tensor, int]:
    """Network, example inputs and outputs of a file; ranges stand at their low end."""
    from growsearch.config import load_space
    from growsearch.data import load_data

    config = load_space(file, overrides, allow_import=allow_import).first()
    if policy is not None:
        from growsearch.cli.run import choose

        (config,) = choose(config, policy, file).policy_configs().values()
    data = load_data(config.data, 0, config.allow_import)
    return config.network, data.example(), data.outputs


def _parse_network(text: str) -> dict[str, Any]:
    from growsearch.yaml_source import parse_value

    value = parse_value(text, "--network") if text.lstrip().startswith("{") else text
    return {"name": value} if isinstance(value, str) else dict(value)


def _example(text: str, tokens: bool) -> Tensor:
    import torch

    parts = text.lower().split("x")
    if not all(part.isdigit() and int(part) > 0 for part in parts):
        raise InputError(f"--input {text}: not a shape (allowed: sizes joined by x, such as 3x32x32 or 20)")
    return torch.zeros(2, *map(int, parts), dtype=torch.long if tokens else torch.get_default_dtype())


def _write(path: Path, text: str) -> None:
    from growsearch.runs.files import write_text

    write_text(path, text)
    say(f"drawn into {path}")
