"""A trained network on disk: `model.safetensors` beside the `network.json` that says how to rebuild it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save
from torch import Tensor, nn

from growsearch.errors import InputError
from growsearch.networks import build_network
from growsearch.surgery import Insertion, rebuild
from growsearch.training.files import write_atomically, write_json

WEIGHTS = "model.safetensors"
DESCRIPTION = "network.json"


def save_network(folder: Path, model: nn.Module, description: dict[str, Any]) -> None:
    """Write both files; `description` has the keys that `load_network` reads (below) and any others."""
    tensors, shared = _distinct(model.state_dict())
    content = save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    write_atomically(folder / WEIGHTS, lambda file: file.write(content))
    write_json(folder / DESCRIPTION, {**description, "shared": shared})


def load_network(folder: Path | str, allow_import: bool = False) -> nn.Module:
    """The trained, grown network in `folder`, on the CPU, in evaluation mode.

    Builds the seed network from `network.json` (`network`, `input_shape`, `outputs`), repeats its `insertions` and
    loads the weights. Raises `InputError` where a file is missing; a network that is imported from the user's own
    package needs `allow_import`, because importing runs code.
    """
    folder = Path(folder)
    for name in (WEIGHTS, DESCRIPTION):
        if not (folder / name).is_file():
            raise InputError(f"{folder / name} does not exist: name a finished run, such as RUN/POLICY/seed-0")
    description = json.loads((folder / DESCRIPTION).read_text())
    seed_network = build_network(
        description["network"], tuple(description["input_shape"]), description["outputs"], allow_import=allow_import
    )
    tensors = load_file(folder / WEIGHTS)
    tensors |= {alias: tensors[name] for alias, name in description["shared"].items()}
    return rebuild(seed_network, insertions_of(description), tensors).eval()


def insertions_of(architecture: dict[str, Any]) -> list[Insertion]:
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
