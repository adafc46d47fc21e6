"""A seed network as large as a saved state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from growsearch.surgery import rebuild
from growsearch.training.artifact import insertions_of
from growsearch.training.checkpoint import adopt_layout


def regrow(model: nn.Module, architecture: Mapping[str, Any], state: Mapping[str, Tensor], prefix: str = "") -> None:
    """Bring a seed network, or the very network, to a saved state, in place.

    Args:
        model: whose tensors change.
        architecture: of the saved network, `Grower.architecture()`.
        state: its `state_dict`.
        prefix: before the network's names in this module: "module." in an `AveragedModel`.

    Raises:
        GrowsearchError: the state does not belong to this network; it is then as it was.
    """
    insertions = [replace(each, path=(prefix + each.path).rstrip(".")) for each in insertions_of(architecture)]
    attributes = {prefix + path: value for path, value in architecture["attributes"].items()}
    sizes = {prefix + path: found for path, found in architecture["sizes"].items()}
    rebuild(model, () if fits(model, state) else insertions, state, attributes, sizes)
    adopt_layout(model, dict(state))


def fits(model: nn.Module, state: Mapping[str, Tensor]) -> bool:
    """Whether the network has these tensors already."""
    own = model.state_dict()
    return own.keys() == state.keys() and all(own[name].shape == value.shape for name, value in state.items())
