"""Which modules count as one call: those that run nothing but torch's own code, or a known computation."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from types import CodeType
from typing import Any

import torch
from torch import nn

from growsearch.graph.own_norms import own_rms_norm

# Torch's own modules whose forward only calls other modules: traced through.
_THROUGH = (
    nn.Sequential,
    nn.ModuleList,
    nn.ModuleDict,
    nn.Transformer,
    nn.TransformerEncoder,
    nn.TransformerEncoderLayer,
    nn.TransformerDecoder,
    nn.TransformerDecoderLayer,
)


_REGISTERED: set[type[nn.Module]] = set()


def count_as_leaf(kind: type[nn.Module]) -> None:
    """Let every module of a class, or of one that inherits its `forward`, be one call whatever it runs.

    Torch's own classes decide by themselves: a subclass may have another part of what their `forward` reaches.
    """
    if not kind.__module__.startswith("torch."):
        _REGISTERED.add(kind)


def is_leaf(module: nn.Module) -> bool:
    """Whether a module counts as one call: its forward and all that this reaches are torch's own.

    Otherwise (an own `forward`, `_conv_forward` or `weight` property, say) the module is traced through, unless it is
    an RMS normalisation written by hand. Nothing can be seen of what TorchScript runs.
    """
    kind: Any = type(module)
    if isinstance(module, torch.jit.ScriptModule):
        return True
    if any(kind.forward is each.forward for each in _REGISTERED if issubclass(kind, each)):
        return True
    if own_rms_norm(module) is not None:
        return True
    if isinstance(module, _THROUGH) or not _by_torch(kind):
        return False
    own = vars(module)
    return not any(name in own and callable(getattr(kind, name, None)) for name in _reached(kind))


@cache
def _by_torch(kind: Any) -> bool:
    """Whether no class outside torch defines something that torch's forward reaches."""
    origin = getattr(kind.forward, "__module__", None) or ""
    if not origin.startswith("torch.nn.modules."):
        return False
    outside = [each for each in kind.__mro__ if not each.__module__.startswith("torch.") and each is not object]
    reached = _reached(kind) | {"__getattr__", "__getattribute__"}
    return not any(hasattr(type(vars(each).get(name)), "__get__") for each in outside for name in reached)


@cache
def _reached(kind: Any) -> frozenset[str]:
    """Names that torch's forward uses, and the methods among them use in turn; what every module has is left out."""
    torch_owned = [each for each in kind.__mro__ if each.__module__.startswith("torch.") and each is not nn.Module]
    names = {"forward"}
    queue = ["forward"]
    while queue:
        name = queue.pop()
        attribute = next((vars(each)[name] for each in torch_owned if name in vars(each)), None)
        function = getattr(attribute, "fget", None) or getattr(attribute, "__func__", attribute)
        code = getattr(function, "__code__", None)
        found = set(_names(code)) - names - vars(nn.Module).keys() if code is not None else set()
        names |= found
        queue += found
    return frozenset(names)


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
