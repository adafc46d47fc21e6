"""Existing weights scaled down as their layer reads more units, so that what it gives keeps its variance.

A layer of C inputs whose weights have variance 1 / C gives outputs of variance 1 (inputs of second moment 1). With C'
inputs, the old weights times s = sqrt(C / C') and new ones of variance 1 / C' all have the variance of a layer that
began at that width (Yuan et al. 2023, table 1). The layer's output is scaled by s where the new units cancel out. Where
a normalisation reads that output and nothing else does, s is undone: its running mean is multiplied by s, its running
variance and its eps by s^2, and it gives what it gave, in either mode.
"""

from __future__ import annotations

from torch import Tensor, nn

from growsearch.graph import Call, NetworkGraph, Site
from growsearch.growth import Rescaling

Norm = nn.modules.batchnorm._NormBase | nn.LayerNorm | nn.GroupNorm | nn.RMSNorm


def rescaling(model: nn.Module, graph: NetworkGraph, site: Site, every: bool) -> tuple[Rescaling, bool]:
    """What is rescaled as `site` gains units, and whether the network's function stays as it is.

    With `every`, all layers that read the site and nothing else are rescaled, biases too, by s^2 where the layer's
    output is the network's; without, those behind which a normalisation undoes it.

    Args:
        model: the network.
        graph: its graph.
        site: that gains units.
        every: whether layers without a normalisation behind them are rescaled.
    """
    powers: dict[str, tuple[Tensor, int]] = {}
    eps: list[tuple[str, str, float]] = []
    exact = True
    for call in (graph.calls[name] for name in site.consumers):
        if not _reads_nothing_else(model, graph, site, call):
            continue
        norm = _norm_behind(model, graph, call)
        if norm is None and not every:
            continue
        exact = exact and norm is not None
        power = 2 if norm is None and _is_output(graph, call) else 1
        for name, tensor in _tensors(model, call.target, ("weight", "bias")):
            powers[name] = (tensor, power)
        if norm is not None:
            path, value = norm
            eps.append((path, "eps", value))
            for name, tensor in _tensors(model, path, ("running_mean", "running_var")):
                powers[name] = (tensor, 2 if name.endswith("running_var") else 1)
    return Rescaling(powers, tuple(eps)), exact


def _reads_nothing_else(model: nn.Module, graph: NetworkGraph, site: Site, call: Call) -> bool:
    """Whether a layer is called once, has weights of its own, and has no inputs but the site's units."""
    if call.kind != "module" or sum(other.target == call.target for other in graph.calls.values()) > 1:
        return False
    use = next((u for u in site.axes if u.role == "in" and u.tensor == f"{call.target}.weight"), None)
    grouped = getattr(model.get_submodule(call.target), "groups", 1) > 1
    if use is None or use.aliases or use.tied or grouped:
        return False
    return len(use.positions(*range(site.units))) == use.size


def _norm_behind(model: nn.Module, graph: NetworkGraph, call: Call) -> tuple[str, float] | None:
    """Path and eps of the normalisation that alone reads what a layer gives."""
    readers = [other for other in graph.calls.values() if any(name == call.name for _, name in other.references())]
    if len(readers) != 1 or readers[0].kind != "module":
        return None
    path = readers[0].target
    norm = model.get_submodule(path)
    once = sum(other.target == path for other in graph.calls.values()) == 1
    eps = norm.eps if isinstance(norm, Norm) else None
    return (path, float(eps)) if once and eps is not None else None


def _is_output(graph: NetworkGraph, call: Call) -> bool:
    """Whether the network returns what a layer gives."""
    return any(
        other.kind == "output" and any(name == call.name for _, name in other.references())
        for other in graph.calls.values()
    )


def _tensors(model: nn.Module, path: str, names: tuple[str, ...]) -> list[tuple[str, Tensor]]:
    module = model.get_submodule(path)
    found = [(f"{path}.{name}".lstrip("."), getattr(module, name, None)) for name in names]
    return [(name, tensor.detach()) for name, tensor in found if isinstance(tensor, Tensor)]
