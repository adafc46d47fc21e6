"""Layer and RMS normalisations as a stream needs them: one weight for each channel, and an eps that can change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from growsearch.graph.call import Call
from growsearch.graph.own_norms import own_rms_norm
from growsearch.graph.rules.step import Tie
from growsearch.graph.site import NormUse


def is_centred(call: Call, modules: Mapping[str, nn.Module]) -> bool:
    """Whether a normalisation takes the mean away, as layer normalisation does and RMS normalisation does not."""
    if call.kind == "module":
        return isinstance(modules[call.target], nn.LayerNorm)
    return call.target == "layer_norm"


def norm_use(call: Call, ties: Sequence[Tie], modules: Mapping[str, nn.Module]) -> NormUse | str:
    """What has to change in a normalisation, or why it cannot.

    Args:
        call: of the normalisation.
        ties: its weight and bias.
        modules: of the model, by path.
    """
    weights = [tie.tensor for tie in ties if tie.role == "scale"]
    if len(weights) != 1:
        return f"{call.name!r} has no weight for each channel that could be scaled"
    if call.kind == "function":
        return _of_function(call, weights[0], modules)
    module = modules[call.target]
    own = own_rms_norm(module)
    if own is not None:
        eps = float(getattr(module, own.eps))
        return NormUse(weights[0], call.target, own.eps, eps, eps, own.offset)
    kept = getattr(module, "eps", None)
    return NormUse(weights[0], call.target, "eps", kept, _value(kept, module))


def _of_function(call: Call, weight: str, modules: Mapping[str, nn.Module]) -> NormUse | str:
    """`layer_norm(x, shape, weight, bias, eps)` or `rms_norm(x, shape, weight, eps)` in a module that keeps the eps."""
    position = 4 if call.target == "layer_norm" else 3
    default = 1e-5 if call.target == "layer_norm" else None
    eps = call.args[position] if len(call.args) > position else call.kwargs.get("eps", default)
    module = modules[call.scope]
    names = [key for key, value in vars(module).items() if type(value) is float and value == eps]
    if len(names) != 1 or eps is None:
        return f"the eps of {call.name!r} is {eps} in the model's code: let its module keep it as an attribute"
    return NormUse(weight, call.scope, names[0], float(eps), float(eps))


def _value(kept: Any, module: nn.Module) -> float:
    if kept is not None:
        return float(kept)
    weight = getattr(module, "weight", None)
    return float(torch.finfo(weight.dtype if isinstance(weight, Tensor) else torch.float32).eps)
