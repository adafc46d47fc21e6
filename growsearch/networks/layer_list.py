"""Layer lists of a file: parsed into a tree, then built into a plain module.

    layers:
      - conv: {channels: 16, kernel: 3, padding: same, name: stem}
      - relu
      - add:                            # branches; an empty one is the identity
          - [{conv: {channels: 16, kernel: 3, padding: same}}, relu]
          - []
      - repeat: {times: 2, layers: [{conv: {channels: 16}}, relu]}
      - global_average_pool
      - linear                          # makes the outputs

Input sizes are inferred. The last convolution or linear layer of the outer list makes the outputs: its size may be
left out, and the width multiplier leaves it alone.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from growsearch.errors import InputError
from growsearch.networks.base import scaled
from growsearch.networks.layers import LAYERS, Layer, SizedLayer
from growsearch.networks.parameters import make
from growsearch.registry import nearest

_BRANCHED = ("add", "concat")
_KINDS = [*LAYERS, *_BRANCHED, "repeat"]


@dataclass(frozen=True)
class Leaf:
    """One layer; `where` is its place in the file, for messages."""

    kind: str
    layer: Layer
    where: str


@dataclass(frozen=True)
class Branches:
    """Lists of layers side by side, added or concatenated along the channels."""

    kind: Literal["add", "concat"]
    branches: tuple[tuple[Node, ...], ...]
    where: str


Node = Leaf | Branches


class Add(nn.Module):
    """The sum of what its branches make of the same input."""

    def __init__(self, branches: Sequence[nn.Module]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, inputs: Tensor) -> Tensor:
        """Any shape that the branches agree on."""
        first, *others = (branch(inputs) for branch in self.branches)
        total: Tensor = first
        for other in others:
            total = total + other
        return total


class Concat(nn.Module):
    """What its branches make of the same input, side by side along the channels."""

    def __init__(self, branches: Sequence[nn.Module]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, inputs: Tensor) -> Tensor:
        """`[N, channels, ...]` to `[N, sum of the branches' channels, ...]`."""
        return torch.cat([branch(inputs) for branch in self.branches], dim=1)


def parse(items: Any, where: str = "layers") -> tuple[Node, ...]:
    """The tree of a layer list; `InputError` with all problems found in it, one a line."""
    if not isinstance(items, Sequence) or isinstance(items, str):
        raise InputError(f"{where}: a list of layers is needed, found {items!r}")
    nodes: list[Node] = []
    found: list[str] = []
    for index, item in enumerate(items):
        try:
            nodes.extend(_parse_item(item, f"{where}[{index}]"))
        except InputError as error:
            found.append(str(error))
    if found:
        raise InputError("\n".join(found))
    return tuple(nodes)


def _parse_item(item: Any, where: str) -> tuple[Node, ...]:
    if isinstance(item, str):
        item = {item: None}
    if not isinstance(item, Mapping) or len(item) != 1:
        raise InputError(f"{where}: a layer is a name, or one name with its parameters (name: {{...}}), found {item!r}")
    kind, values = next(iter(item.items()))
    where = f"{where} ({kind})"
    if kind in _BRANCHED:
        return (_parse_branches(kind, values, where),)
    if kind == "repeat":
        return _parse_repeat(values, where)
    if kind not in LAYERS:
        raise InputError(f"{where}: unknown layer: allowed are {', '.join(_KINDS)}{nearest(str(kind), _KINDS)}")
    if values is not None and not isinstance(values, Mapping):
        raise InputError(f"{where}: parameters are given as {{name: value}}, found {values!r}")
    return (Leaf(kind, make(LAYERS[kind], values or {}, where), where),)


def _parse_branches(kind: Literal["add", "concat"], values: Any, where: str) -> Branches:
    if not isinstance(values, Sequence) or isinstance(values, str) or len(values) < 2:
        raise InputError(f"{where}: at least two branches are needed, each a list of layers, found {values!r}")
    return Branches(kind, tuple(parse(branch, f"{where}[{i}]") for i, branch in enumerate(values)), where)


def _parse_repeat(values: Any, where: str) -> tuple[Node, ...]:
    if not isinstance(values, Mapping) or set(values) != {"times", "layers"}:
        raise InputError(f"{where}: takes times and layers, found {values!r}")
    times = values["times"]
    if not isinstance(times, int) or isinstance(times, bool) or times < 1:
        raise InputError(f"{where}: times has to be a whole number from 1 on, found {times!r}")
    return parse(values["layers"], f"{where}.layers") * times


def build(nodes: Sequence[Node], input_shape: tuple[int, ...], outputs: int, width: float = 1.0) -> nn.Module:
    """A plain module for the tree; `InputError` where a layer does not fit the shape it meets.

    Args:
        nodes: the layers and branches, checked.
        input_shape: of one sample.
        outputs: number of outputs.
        width: multiplies every hidden width.
    """
    module, shape = _sequence(_with_outputs(nodes, outputs, width), input_shape)
    if shape != (outputs,):
        raise InputError(f"layers: the network ends with shape {_text(shape)}, but the data needs {outputs} outputs")
    return module


def _with_outputs(nodes: Sequence[Node], outputs: int, width: float) -> list[Node]:
    """The tree with scaled sizes, and the size of its last sized layer filled in."""
    ready = [_widened(node, width) for node in nodes]
    for index in range(len(nodes) - 1, -1, -1):
        node = nodes[index]
        if isinstance(node, Leaf) and isinstance(node.layer, SizedLayer):
            size = node.layer.size
            ready[index] = replace(node, layer=node.layer.sized(outputs if size is None else size))
            break
    return ready


def _widened(node: Node, width: float) -> Node:
    if isinstance(node, Branches):
        return replace(node, branches=tuple(tuple(_widened(n, width) for n in branch) for branch in node.branches))
    if isinstance(node.layer, SizedLayer) and node.layer.size is not None:
        return replace(node, layer=node.layer.sized(scaled(node.layer.size, width)))
    return node


def _sequence(nodes: Sequence[Node], shape: tuple[int, ...]) -> tuple[nn.Sequential, tuple[int, ...]]:
    modules: OrderedDict[str, nn.Module] = OrderedDict()
    numbers: Counter[str] = Counter()
    for node in nodes:
        numbers[node.kind] += 1
        given = node.layer.name if isinstance(node, Leaf) else None
        name = given or f"{node.kind}_{numbers[node.kind]}"
        if name in modules:
            raise InputError(f"{node.where}: the name {name!r} is taken by an earlier layer of this list")
        modules[name], shape = _module(node, shape)
    return nn.Sequential(modules), shape


def _module(node: Node, shape: tuple[int, ...]) -> tuple[nn.Module, tuple[int, ...]]:
    if isinstance(node, Branches):
        branches, shapes = zip(*(_sequence(branch, shape) for branch in node.branches), strict=True)
        if node.kind == "add" and len(set(shapes)) > 1:  # adding would broadcast, or fail with torch's message
            raise InputError(f"{node.where}: branches of different shapes: {', '.join(map(_text, shapes))}")
        module: nn.Module = Add(branches) if node.kind == "add" else Concat(branches)
        return module, _output_shape(module, shape, node.where)
    try:
        module = node.layer.module(shape)
    except ValueError as error:
        raise InputError(f"{node.where}: {error}; its input has shape {_text(shape)}") from None
    return module, _output_shape(module, shape, node.where)


def _output_shape(module: nn.Module, shape: tuple[int, ...], where: str) -> tuple[int, ...]:
    """The shape of one sample's output, by running the module."""
    training = module.training
    try:
        with torch.no_grad():
            output = module.eval()(torch.zeros(1, *shape))
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{where}: does not fit its input of shape {_text(shape)}: {reason}") from None
    finally:
        module.train(training)
    return tuple(output.shape[1:])


def _text(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
