"""The sizes that torch's modules remember beside their tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from growsearch.errors import GrowthRefused
from growsearch.graph.remembered import attribute_of, remembered
from growsearch.surgery.journal import Journal

Shapes = Mapping[str, tuple[int, ...]]
Attributes = dict[str, object]


def sync_module(module: nn.Module, journal: Journal | None = None) -> None:
    """Set `out_channels`, `num_features` and their like to what the module's own tensors say.

    With a `journal`, it can be taken back.

    Raises:
        GrowthRefused: the sizes do not agree with each other, or it is a module of torch that is not known here.
    """
    for name, value in attributes_of(module, shapes_of(module)).items():
        (journal or Journal()).set_attribute(module, name, value)


def resize(module: nn.Module, axis: int, added: int, journal: Journal) -> None:
    """Let a normalisation without tensors remember `added` more positions of its axis `axis`.

    Args:
        module: a normalisation without affine parameters.
        axis: of its input, among those that it remembers.
        added: number of positions; negative where some go.
        journal: what can undo it.
    """
    sizes = list(remembered(module) or ())
    sizes[axis] += added
    remember(module, sizes, journal)


def remember(module: nn.Module, sizes: Sequence[int], journal: Journal) -> None:
    """Set the sizes that a normalisation without tensors remembers.

    Raises:
        GrowthRefused: it is no such module, remembers another number of sizes, or its groups do not divide the size.
    """
    name, old = attribute_of(module), remembered(module)
    if name is None or old is None or len(old) != len(sizes):
        raise GrowthRefused(f"{type(module).__name__} cannot take the sizes {list(sizes)}: it remembers {old}")
    if isinstance(module, nn.GroupNorm):
        _divide(sizes[0], module.num_groups, f"GroupNorm of {module.num_groups} groups")
    journal.set_attribute(module, name, tuple(sizes) if name == "normalized_shape" else sizes[0])


def shapes_of(module: nn.Module) -> dict[str, tuple[int, ...]]:
    """Shapes of the module's own parameters and buffers."""
    own = (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False))
    return {name: tuple(tensor.shape) for name, tensor in own}


def attributes_of(module: nn.Module, shapes: Shapes) -> Attributes:
    """The attributes that `module` needs with own tensors of `shapes`; nothing is changed.

    A module of the user's with parameters of its own has nothing to set.

    Raises:
        GrowthRefused: as `sync_module`.
    """
    for kinds, rule in _RULES:
        if isinstance(module, kinds):
            return rule(module, shapes)
    if type(module).__module__.startswith("torch."):
        raise GrowthRefused(
            f"{type(module).__name__} of torch cannot change its size: what it remembers of its tensors is not known"
        )
    return {}


def _convolution(module: nn.Module, shapes: Shapes) -> Attributes:
    assert isinstance(module, _ConvNd)
    out, per_group = shapes["weight"][:2]
    groups = module.groups
    if _depthwise(module) and per_group == 1:
        multiplier = module.out_channels // groups
        groups = _divide(out, multiplier, f"depthwise convolution with {multiplier} outputs for each channel")
    elif out % groups:
        raise GrowthRefused(
            f"convolution in {groups} groups cannot have {out} output channels: use a multiple of {groups}"
        )
    return {"out_channels": out, "in_channels": per_group * groups, "groups": groups}


def _transposed(module: nn.Module, shapes: Shapes) -> Attributes:
    assert isinstance(module, _ConvNd)
    into, per_group = shapes["weight"][:2]
    groups = into if _depthwise(module) else module.groups
    _divide(into, groups, f"transposed convolution in {groups} groups")
    return {"out_channels": per_group * groups, "in_channels": into, "groups": groups}


def _depthwise(module: _ConvNd) -> bool:
    return 1 < module.groups == module.in_channels


def _divide(size: int, by: int, what: str) -> int:
    if size % by:
        raise GrowthRefused(f"{what} cannot have {size} channels: use a multiple of {by}")
    return size // by


def _linear(module: nn.Module, shapes: Shapes) -> Attributes:
    out, into = shapes["weight"]
    return {"out_features": out, "in_features": into}


def _normalisation(module: nn.Module, shapes: Shapes) -> Attributes:
    sizes = {size for shape in shapes.values() for size in shape}
    return {"num_features": _only(module, sizes)} if sizes else {}


def _group_norm(module: nn.Module, shapes: Shapes) -> Attributes:
    assert isinstance(module, nn.GroupNorm)
    if not shapes:
        return {}
    channels = _only(module, {size for shape in shapes.values() for size in shape})
    _divide(channels, module.num_groups, f"GroupNorm of {module.num_groups} groups")
    return {"num_channels": channels}


def _only(module: nn.Module, sizes: set[int]) -> int:
    if len(sizes) > 1:
        raise GrowthRefused(f"the tensors of {type(module).__name__} would have different sizes {sorted(sizes)}")
    return sizes.pop()


def _layer_norm(module: nn.Module, shapes: Shapes) -> Attributes:
    return {"normalized_shape": shapes["weight"]} if "weight" in shapes else {}


def _embedding(module: nn.Module, shapes: Shapes) -> Attributes:
    rows, dimension = shapes["weight"]
    return {"num_embeddings": rows, "embedding_dim": dimension}


def _prelu(module: nn.Module, shapes: Shapes) -> Attributes:
    return {"num_parameters": shapes["weight"][0]}


def _nothing(module: nn.Module, shapes: Shapes) -> Attributes:
    return {}


_RULES: tuple[tuple[tuple[type[nn.Module], ...], Callable[[nn.Module, Shapes], Attributes]], ...] = (
    ((_ConvTransposeNd,), _transposed),
    ((_ConvNd,), _convolution),
    ((nn.Linear,), _linear),
    ((_NormBase,), _normalisation),
    ((nn.GroupNorm,), _group_norm),
    ((nn.LayerNorm, nn.RMSNorm), _layer_norm),
    ((nn.Embedding, nn.EmbeddingBag), _embedding),
    ((nn.PReLU,), _prelu),
    ((nn.ParameterList, nn.ParameterDict, nn.Sequential, nn.ModuleList, nn.ModuleDict), _nothing),
)
"""First match wins; every other module of torch is refused."""
