"""Weights in the folders that Hugging Face's libraries write, and the optimizers in their wrappers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.optim import Optimizer

from growsearch.errors import InputError


def read_weights(folder: Path, name: str) -> dict[str, Tensor]:
    """Return the tensors of `folder`/`name`.safetensors, or of pytorch_`name`.bin, without running code.

    Raises `InputError` where there is neither.
    """
    files = folder / f"{name}.safetensors", folder / f"pytorch_{name}.bin"
    if files[0].is_file():
        return load_file(files[0])
    if files[1].is_file():
        found: dict[str, Tensor] = torch.load(files[1], map_location="cpu", weights_only=True)
        return found
    raise InputError(f"{folder} has neither {files[0].name} nor {files[1].name}: name the folder of a whole checkpoint")


def with_aliases(model: nn.Module, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights with tied tensors, which are saved once, under all of their names."""
    first: dict[int, Tensor] = {}
    own = model.state_dict(keep_vars=True)
    for name, tensor in own.items():
        if name in weights:
            first.setdefault(id(tensor), weights[name])
    tied = {name: first[id(tensor)] for name, tensor in own.items() if name not in weights and id(tensor) in first}
    return {**weights, **tied}


def torch_optimizer(optimizer: Any) -> Optimizer:
    """Return torch's own optimizer, in what Accelerate made of it."""
    found: Optimizer = getattr(optimizer, "optimizer", optimizer)
    return found
