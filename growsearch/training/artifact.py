"""A trained network on disk: `model.safetensors` beside the `network.json` that says how to rebuild it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from growsearch.errors import GrowsearchError, InputError
from growsearch.networks import build_network
from growsearch.runs.files import write_atomically, write_json
from growsearch.runs.layout import DESCRIPTION, WEIGHTS
from growsearch.surgery import Insertion, rebuild
from growsearch.surgery.packing import pack, unpack


def save_network(folder: Path, model: nn.Module, description: dict[str, Any], sparse: bool = False) -> None:
    """Write both files; `description` has the keys that `load_network` reads (below) and any others.

    `sparse` keeps only the living entries of weights with dormant connections, and their masks as bits.

    Args:
        folder: that gets the files.
        model: the network.
        description: how to build it anew.
        sparse: whether dormant connections are left out.
    """
    tensors, shared = _distinct(model.state_dict())
    tensors, packed = pack(tensors) if sparse else (tensors, {})
    content = save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    write_atomically(folder / WEIGHTS, lambda file: file.write(content))
    write_json(folder / DESCRIPTION, {**description, "shared": shared, "packed": packed})


def load_network(path: Path | str, allow_import: bool = False) -> nn.Module:
    """The trained, grown network in the folder `path`, on the CPU, in evaluation mode.

    The folder is a finished run's (`RUN/POLICY/seed-K`) or one that `growsearch export` wrote. Builds the seed network
    from `network.json` (`network`, `input_shape`, `outputs`), repeats its `insertions`, sets its `attributes` and loads
    the weights; nothing
    that could run code is read. Raises `InputError` where a file is missing and `GrowsearchError` where one is damaged;
    a network that is imported from the user's own package needs `allow_import`, because importing runs code.
    """
    description = read_description(path)
    if not (Path(path) / WEIGHTS).is_file():
        raise InputError(f"{Path(path) / WEIGHTS} does not exist: name a finished run, such as RUN/POLICY/seed-0")
    try:
        tensors = unpack(load_file(Path(path) / WEIGHTS), description.get("packed", {}))
        tensors |= {alias: tensors[name] for alias, name in description["shared"].items()}
        insertions, attributes = insertions_of(description), description.get("attributes", {})
        network, shape, outputs = (description[key] for key in ("network", "input_shape", "outputs"))
    except (SafetensorError, KeyError, TypeError) as error:
        raise GrowsearchError(f"{path} is damaged ({error!r}): make its files again") from error
    seed_network = build_network(network, tuple(shape), outputs, allow_import=allow_import)
    return rebuild(seed_network, insertions, tensors, attributes, description.get("sizes")).eval()


def read_description(path: Path | str) -> dict[str, Any]:
    """The content of a network's `network.json`; raises `InputError` where there is none."""
    file = Path(path) / DESCRIPTION
    if not file.is_file():
        raise InputError(f"{file} does not exist: name a finished run, such as RUN/POLICY/seed-0, or an export of one")
    try:
        description: dict[str, Any] = json.loads(file.read_text())
    except ValueError as error:
        raise GrowsearchError(f"{file} is damaged ({error}): make it again") from error
    return description


def insertions_of(architecture: Mapping[str, Any]) -> list[Insertion]:
    """The inserted layers of a `Grower.architecture()`, or of a `network.json`."""
    return [Insertion(**insertion) for insertion in architecture["insertions"]]


def _distinct(state: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors without their aliases (tied weights), and for every alias the name that it stands for."""
    first: dict[tuple[int, tuple[int, ...]], str] = {}
    shared = {}
    for name, tensor in state.items():
        owner = first.setdefault((tensor.data_ptr(), tuple(tensor.shape)), name) if tensor.numel() else name
        if owner != name:
            shared[name] = owner
    return {name: tensor for name, tensor in state.items() if name not in shared}, shared
