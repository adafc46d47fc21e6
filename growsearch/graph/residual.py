"""What a residual block adds to its input, followed back to the parameters without which it adds nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd

from growsearch.graph.call import CASTS, Call, Ref
from growsearch.graph.module_call import ModuleCall

_LAYERS = (nn.Linear, _ConvNd, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, _NormBase)
_THROUGH_MODULES = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.Flatten, nn.Unflatten)
_PRODUCTS = frozenset(
    [
        "linear",
        "conv1d",
        "conv2d",
        "conv3d",
        "conv_transpose1d",
        "conv_transpose2d",
        "conv_transpose3d",
        "addmm",
        "baddbmm",
        "matmul",
        "mm",
        "bmm",
        "einsum",
        "layer_norm",
        "group_norm",
        "rms_norm",
        "batch_norm",
    ]
)
"""Functions that give 0 where all the parameters among their arguments are 0."""
_SAME = frozenset(("contiguous", *CASTS))
"""Functions that give the very tensor that they get where it is of the right kind already."""
_MOVED = (
    frozenset(["reshape", "view", "unsqueeze", "squeeze", "transpose", "permute", "t", "T", "mT", "expand"]) | CASTS
)
"""Functions of a parameter alone that are 0 where it is."""
_DROPOUTS = frozenset(["dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_dropout"])
_OTHER = frozenset(
    ["flatten", "unflatten", "moveaxis", "movedim", "contiguous", "clone", "getitem", "narrow", "select", "roll", "neg"]
)
_THROUGH = _MOVED | _DROPOUTS | _OTHER
"""Functions that give 0 for 0, and pass a gradient on."""
_IDEMPOTENT = frozenset(("relu", "relu6", "hardtanh"))
_IDEMPOTENT_MODULES = (nn.ReLU, nn.ReLU6, nn.Hardtanh)


class NotResidual(Exception):
    """Why a block is not its input plus branches that parameters can make zero."""


def residual_outputs(
    calls: Mapping[str, Call], modules: Mapping[str, nn.Module], block: ModuleCall, known: Collection[str]
) -> tuple[str, ...]:
    """The parameters, named within the block, that make it the identity when they are zero.

    The last linear layer, convolution or normalisation of every branch that is added to the stream, or the scale that
    is multiplied with what it gives. A block may end in an activation that does nothing when applied twice, because
    the block before it ends in the same one.

    Args:
        calls: of one run.
        modules: called, by call.
        block: its call.
        known: names of the network's parameters.

    Raises:
        NotResidual: it is not its input plus branches, or what a branch ends in cannot be made zero.
    """
    walk = _Walk(calls, modules, block)
    assert block.output is not None
    end = block.output
    call = calls.get(end)
    if call is not None and walk.inside(call) and walk.idempotent(call):
        end = walk.first(call)
    names = walk.stream(end)
    prefix = f"{block.path}."
    found = tuple(dict.fromkeys(names))
    if not found:
        raise NotResidual(f"block {block.path!r} adds nothing to its input")
    for name in found:
        if not name.startswith(prefix) or name not in known:
            raise NotResidual(f"what block {block.path!r} adds to its input ends in {name!r}, no parameter of its own")
    return tuple(name.removeprefix(prefix) for name in found)


class _Walk:
    def __init__(self, calls: Mapping[str, Call], modules: Mapping[str, nn.Module], block: ModuleCall) -> None:
        self._calls, self._modules, self._block = calls, modules, block

    def stream(self, name: str) -> list[str]:
        """Parameters to make zero so that the tensor `name` is the block's input."""
        if name == self._block.input:
            return []
        call = self._calls[name]
        if not self.inside(call):
            raise NotResidual(f"block {self._block.path!r} is not its input plus branches: its output ends in {name!r}")
        if call.kind == "module" and isinstance(self._modules[name], nn.Identity):
            return self.stream(self.first(call))
        if call.kind == "function" and call.target in _SAME:
            return self.stream(self.first(call))
        if call.kind != "function" or call.target != "add" or call.kwargs.get("alpha", 1) != 1:
            raise NotResidual(
                f"block {self._block.path!r} is not its input plus branches (as a block with normalisation behind the "
                f"sum is not): its output comes from {name!r}"
            )
        reason = None
        one, other = (argument.call if isinstance(argument, Ref) else None for argument in call.args[:2])
        for kept, added in ((one, other), (other, one)):
            if kept is None or added is None:
                continue
            try:
                found = self.stream(kept)
            except NotResidual as error:
                reason = reason or error
                continue
            return found + self.branch(added)
        raise reason or NotResidual(f"block {self._block.path!r} adds a number to its input, at {name!r}")

    def branch(self, name: str) -> list[str]:
        """Parameters to make zero so that the tensor `name` is zero."""
        own = self._parameters(name)
        if own is not None:
            return own
        call = self._calls[name]
        if name == self._block.input or not self.inside(call):
            raise self._unknown(name)
        if call.kind == "module":
            return self._module(call)
        if call.kind != "function":
            raise self._unknown(name)
        operands = [ref.call for ref in call.args if isinstance(ref, Ref)]
        operands += [ref.call for ref in call.kwargs.values() if isinstance(ref, Ref)]
        if call.target in _PRODUCTS:
            found = [parameter for each in operands for parameter in self._parameters(each) or ()]
            if found:
                return found
        if call.target == "add" and call.kwargs.get("alpha", 1) == 1:
            if len(operands) == 2:
                return [parameter for each in operands for parameter in self.branch(each)]
        elif call.target in ("mul", "div"):
            return self._factor(call, operands if call.target == "mul" else operands[:1])
        elif call.target == "item":
            return self._item(call)
        elif call.target in _THROUGH and operands:
            return self.branch(operands[0])
        raise self._unknown(name)

    def inside(self, call: Call) -> bool:
        """Whether it happened in the block's forward."""
        path = f"{self._block.path}."
        return f"{call.scope}.".startswith(path) or (call.kind == "module" and f"{call.target}.".startswith(path))

    def idempotent(self, call: Call) -> bool:
        """Whether doing it twice is doing it once."""
        if call.kind == "module":
            return isinstance(self._modules[call.name], _IDEMPOTENT_MODULES)
        return call.kind == "function" and call.target in _IDEMPOTENT

    def first(self, call: Call) -> str:
        """The call that made the first tensor among the arguments."""
        return next(name for _, name in call.references())

    def _module(self, call: Call) -> list[str]:
        module = self._modules[call.name]
        if isinstance(module, _LAYERS) and getattr(module, "weight", None) is not None:
            return [f"{call.target}.{name}" for name, _ in module.named_parameters(recurse=False)]
        if isinstance(module, _THROUGH_MODULES):
            return self.branch(self.first(call))
        raise self._unknown(call.name)

    def _item(self, call: Call) -> list[str]:
        """A part of what a module gives; attention gives its output first."""
        parent = self._calls[self.first(call)]
        module = self._modules.get(parent.name)
        if isinstance(module, nn.MultiheadAttention) and call.args[1:] == (0,):
            return [f"{parent.target}.out_proj.{name}" for name, _ in module.out_proj.named_parameters()]
        raise self._unknown(call.name)

    def _factor(self, call: Call, operands: list[str]) -> list[str]:
        """One factor that is zero: a parameter, or else one that can be made zero."""
        for each in operands:
            own = self._parameters(each)
            if own is not None:
                return own
        reason: NotResidual = self._unknown(call.name)
        for each in operands:
            try:
                return self.branch(each)
            except NotResidual as error:
                reason = error
        raise reason

    def _parameters(self, name: str) -> list[str] | None:
        """The parameter that a tensor is nothing but, in another shape or type."""
        call = self._calls[name]
        if call.kind == "parameter":
            return [call.target]
        references: list[Any] = [argument for argument in call.args if isinstance(argument, Ref)]
        if call.kind == "function" and call.target in _MOVED and len(references) == 1:
            return self._parameters(references[0].call)
        return None

    def _unknown(self, name: str) -> NotResidual:
        return NotResidual(
            f"what block {self._block.path!r} adds to its input comes from {name!r}, of which no parameter is known "
            "that makes it zero"
        )
