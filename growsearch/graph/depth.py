"""Places where a layer can be inserted."""

from __future__ import annotations

from collections import Counter

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from growsearch.graph.analysis import Analysis
from growsearch.graph.call import Call
from growsearch.graph.rules.pointwise import ACTIVATIONS
from growsearch.graph.site import DepthSite
from growsearch.graph.spaces import Block, resolve

_IDEMPOTENT = (nn.ReLU, nn.ReLU6, nn.Hardtanh)


def find_depth_sites(analysis: Analysis, model: nn.Module) -> dict[str, DepthSite]:
    """Every module behind which a layer fits, by its path, in execution order."""
    times = Counter(call.target for call in analysis.calls.values() if call.kind == "module")
    paths = Counter(id(module) for _, module in model.named_modules(remove_duplicate=False))
    by_hand = {call.target.rpartition(".")[0] for call in analysis.calls.values() if call.kind == "parameter"}
    channels = {block for use in (*analysis.producers, *analysis.consumers) for block, _ in resolve(use.space)}
    found = {}
    for name, module in analysis.modules.items():
        call = analysis.calls[name]
        path = call.target
        # A module used again, or whose weight is used without calling it, would not stay what other code expects.
        if times[path] > 1 or paths[id(model.get_submodule(path))] > 1 or path in by_hand or not path:
            continue
        site = _depth_site(analysis, call, module, channels)
        if site is not None:
            found[path] = site
    return found


def _depth_site(analysis: Analysis, call: Call, module: nn.Module, channels: set[Block]) -> DepthSite | None:
    shape = call.shape
    layers = (nn.Linear, _ConvNd, _BatchNorm, *ACTIVATIONS)
    if shape is None or not 2 <= len(shape) <= 4 or not isinstance(module, layers):
        return None
    axis = _channel_axis(analysis, call, module, channels, len(shape))
    if axis is None:
        return None
    spatial = len(shape) - 2 if axis == 1 else 0
    return DepthSite(call.target, shape[axis], spatial, isinstance(module, _IDEMPOTENT), shape)


def _channel_axis(analysis: Analysis, call: Call, module: nn.Module, channels: set[Block], rank: int) -> int | None:
    """1 for a feature map, the last for vectors and tokens; None where it is neither, or not clear."""
    last = rank - 1
    if isinstance(module, nn.Linear):
        return last
    if isinstance(module, _BatchNorm):
        return 1
    if isinstance(module, _ConvNd):
        return 1 if rank == module.weight.ndim else None  # not for a map without a batch axis
    axes = analysis.values[call.name].axes
    carriers = [axis for axis, pieces in enumerate(axes) if any(block in channels for block, _ in resolve(pieces))]
    return carriers[0] if len(carriers) == 1 and carriers[0] in (1, last) else None
