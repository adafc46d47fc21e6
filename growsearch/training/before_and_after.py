"""A finished run's network beside the one that it began as."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from growsearch.graph import NetworkGraph, trace
from growsearch.growth.births import parameter_shapes
from growsearch.growth.changed_parameters import ChangedParameter
from growsearch.networks import build_network
from growsearch.surgery import rename
from growsearch.training.artifact import load_network, read_description


def before_and_after(
    folder: Path, allow_import: bool = False
) -> tuple[nn.Module, NetworkGraph, dict[str, ChangedParameter]]:
    """Return the network in `folder`, its graph, and the parameters whose shape is not the seed network's.

    Which positions are new is not known any more. Raises `InputError` where `folder` holds no finished run, or a
    network from the user's own package without `allow_import`.
    """
    found = read_description(folder)
    shape = tuple(found.input_shape)
    model = load_network(folder, allow_import)
    seed = build_network(found.network, shape, found.outputs, allow_import=allow_import)
    before = {rename(name, found.insertions): own for name, own in parameter_shapes(seed).items()}
    changed = {
        name: ChangedParameter(before.get(name), after, {})
        for name, after in parameter_shapes(model).items()
        if before.get(name) != after
    }
    return model, trace(model, torch.zeros(2, *shape, dtype=getattr(torch, found.input_dtype))), changed
