"""Running statistics of new channels behind batch (and instance) normalisation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from growsearch.surgery import AxisEdit, BlockInsertion, Edit, Insertion, outputs_of, rename, undisturbed
from growsearch.surgery.moves import moves_of
from growsearch.surgery.plan import companion_prefix

_STATISTICS = ("running_mean", "running_var")
_ARGUMENTS: dict[Callable[..., Any], tuple[str, ...]] = {
    F.batch_norm: ("input", *_STATISTICS, "weight", "bias", "training", "momentum", "eps"),
    F.instance_norm: ("input", *_STATISTICS, "weight", "bias", "use_input_stats", "momentum", "eps"),
    torch.batch_norm: ("input", "weight", "bias", *_STATISTICS, "training", "momentum", "eps"),
    torch.instance_norm: ("input", "weight", "bias", *_STATISTICS, "use_input_stats", "momentum", "eps"),
}
"""Normalisations with running statistics, and the order of their arguments."""


def new_channels(model: nn.Module, edits: Sequence[Edit]) -> dict[str, list[int]]:
    """By name, the positions that are new in every buffer after *all* of its edits; asked for before they are made.

    Names are those of after the edits. Two sites that meet in one buffer, behind a concatenation, move each other.
    """
    buffers = dict(model.named_buffers(remove_duplicate=False))
    own: dict[str, list[AxisEdit]] = defaultdict(list)
    for edit in edits:
        if isinstance(edit, AxisEdit) and edit.tensor in buffers:
            own[edit.tensor].append(edit)
    insertions = [edit for edit in edits if isinstance(edit, Insertion | BlockInsertion)]
    found = {}
    for name, group in own.items():
        moves = moves_of(buffers[name].shape, group)
        if buffers[name].ndim == 1 and moves[0].added:
            found[rename(name, insertions)] = moves[0].added
    return found


def recalibrate(
    model: nn.Module,
    fresh: Mapping[str, Sequence[int]],
    example_inputs: Any,
    objective: Callable[[nn.Module, Any], Tensor] | None,
    batches: Sequence[Any],
    companions: Sequence[nn.Module] = (),
) -> None:
    """Set running mean and variance of new channels, wherever they are normalised, to those of the data.

    `fresh` are the new positions of the buffers (see `new_channels`); all others stay bit for bit. New channels start
    with mean 0 and variance 1, whatever their weights: in eval mode they would be on another scale than in train mode
    until the running averages have caught up. Channels that are constant keep the variance 1. The new channels of
    `companions` take the same.

    Args:
        model: the network, grown.
        fresh: new channels of normalisations, by path.
        example_inputs: where there are no batches.
        objective: the loss of a batch.
        batches: that give the statistics.
        companions: modules that follow.
    """
    if not fresh:
        return
    buffers = dict(model.named_buffers(remove_duplicate=False))
    observer = _Observer({id(buffers[name]): name for name in fresh})
    handles = [m.register_forward_pre_hook(observer.layer) for m in model.modules() if isinstance(m, nn.SyncBatchNorm)]
    try:
        with observer:
            _run(model, example_inputs, objective, batches)
    finally:
        for handle in handles:
            handle.remove()
    for name, (of_variance, values) in observer.found.items():
        value = torch.stack(values).mean(0)
        value = torch.where(observer.moving[name], value, 1.0 if of_variance else 0.0)
        _write(buffers[name], fresh[name], value)
        for companion in companions:
            own = dict(companion.named_buffers(remove_duplicate=False))[companion_prefix(companion, model) + name]
            _write(own, fresh[name], buffers[name])


def _write(buffer: Tensor, positions: Sequence[int], values: Tensor) -> None:
    indices = torch.tensor(positions, device=values.device)
    buffer[indices.to(buffer.device)] = values[indices].to(buffer)


class _Observer(TorchFunctionMode):
    """Inside, statistics of what is normalised: by buffer, whether it is a variance and its value in each call."""

    def __init__(self, names: Mapping[int, str]) -> None:
        super().__init__()
        self.found: dict[str, tuple[bool, list[Tensor]]] = {}
        self.moving: dict[str, Tensor] = {}
        self._names = names

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in _ARGUMENTS:
            given = dict(zip(_ARGUMENTS[func], args, strict=False)) | kwargs
            instances = func in (F.instance_norm, torch.instance_norm)
            mean, variance = given.get("running_mean"), given.get("running_var")
            self._see(given["input"], mean, variance, given.get("eps", 1e-5), instances)
        return func(*args, **kwargs)

    def layer(self, layer: nn.Module, args: tuple[Any, ...]) -> None:
        """A pre-hook, for a layer that normalises over several devices by an operation of its own."""
        assert isinstance(layer, nn.SyncBatchNorm)
        self._see(args[0], layer.running_mean, layer.running_var, layer.eps, instances=False)

    def _see(self, x: Tensor, mean: Tensor | None, variance: Tensor | None, eps: float, instances: bool) -> None:
        names = [self._names.get(id(buffer)) for buffer in (mean, variance)]
        x = x.detach().to(torch.promote_types(x.dtype, torch.float32))
        values = x.flatten(2) if instances else x.movedim(1, 0).flatten(1)[None]
        if not any(names) or values.shape[-1] < 2:
            return
        moving = values.var(-1).mean(0) > eps
        for name, value in zip(names, (values.mean(-1), values.var(-1)), strict=True):
            if name is not None:
                self.found.setdefault(name, (name == names[1], []))[1].append(value.mean(0))
                self.moving[name] = moving | self.moving.get(name, moving)


def _run(
    model: nn.Module,
    example_inputs: Any,
    objective: Callable[[nn.Module, Any], Tensor] | None,
    batches: Sequence[Any],
) -> None:
    if objective is None or not batches:
        try:
            outputs_of(model, example_inputs, training=True)
        except ValueError:
            # A single example has no statistics.
            return
        return
    with undisturbed(model), torch.no_grad():
        model.train()
        objective(model, batches[0])
