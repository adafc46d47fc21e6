"""What a network costs to train, in FLOPs, and what it gives."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.func import functional_call

from growsearch.graph.metering import FlopMeter
from growsearch.graph.running import is_small, is_small_input

T = TypeVar("T")


def training_flops_per_sample(model: nn.Module, inputs: Tensor) -> int:
    """Return the FLOPs of one forward and backward pass, per sample of a batch such as `inputs`, of two at least.

    Counted by torch's `FlopCounterMode`: two per multiply-add of convolutions, matrix products and attention; nothing
    for elementwise work. The model is run on meta tensors that stand for its parameters and buffers, or on copies of
    them where that is faster or its control flow needs values: it is not changed, and its gradients are not touched.
    """
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    return _flops(model, inputs, trained)


def forward_flops_per_sample(model: nn.Module, inputs: Tensor) -> int:
    """Return the FLOPs of one forward pass, per sample; counted as `training_flops_per_sample` does."""
    return _flops(model, inputs, set())


def has_unused(model: nn.Module, inputs: Tensor) -> bool:
    """Return whether a trainable parameter gets no gradient from what the model gives for a batch such as `inputs`."""
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}

    def run(tensors: dict[str, Tensor], batch: Tensor) -> bool:
        _count(model, tensors, trained, batch)
        return any(tensors[name].grad is None for name in trained)

    return _aside(model, inputs, run, by_shapes=not _fast(model, inputs))


def output_shape(model: nn.Module, inputs: Tensor) -> tuple[int, ...] | None:
    """Return the shape of what the model gives for a batch such as `inputs`, None where that is no tensor."""

    def run(tensors: dict[str, Tensor], batch: Tensor) -> tuple[int, ...] | None:
        with torch.no_grad():
            found = functional_call(model, tensors, batch)
        return tuple(found.shape) if isinstance(found, Tensor) else None

    return _aside(model, inputs, run, by_shapes=not _fast(model, inputs))


def _flops(model: nn.Module, inputs: Tensor, trained: set[str]) -> int:
    def run(tensors: dict[str, Tensor], batch: Tensor) -> tuple[int, bool]:
        return _count(model, tensors, trained, batch)

    fast = _fast(model, inputs)
    flops, by_device = _aside(model, inputs, run, by_shapes=not fast)
    if fast and by_device:  # the same number on every device
        flops, _ = _aside(model, inputs, run, by_shapes=True)
    return flops


def _fast(model: nn.Module, inputs: Tensor) -> bool:
    """Whether computing is faster than the meta device."""
    return is_small(model) and is_small_input(inputs)


def _aside(model: nn.Module, inputs: Tensor, run: Callable[[dict[str, Tensor], Tensor], T], by_shapes: bool) -> T:
    """What `run` gives for tensors that stand for the model's own, in training mode, and a batch beside them.

    Args:
        model: is not changed.
        inputs: a batch.
        run: gets tensors by name, and the batch.
        by_shapes: try meta tensors first, and copies where the model's control flow needs values.
    """
    tensors = {name: tensor.detach() for name, tensor in [*model.named_parameters(), *model.named_buffers()]}
    device = next(iter(tensors.values())).device if tensors else torch.device("cpu")
    was_training = model.training
    model.train()
    try:
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            if by_shapes:
                with suppress(RuntimeError, NotImplementedError):
                    stand_ins = {name: torch.empty_like(tensor, device="meta") for name, tensor in tensors.items()}
                    return run(stand_ins, torch.empty_like(inputs, device="meta"))
            return run({name: tensor.clone() for name, tensor in tensors.items()}, inputs.to(device))
    finally:
        model.train(was_training)


def _count(model: nn.Module, tensors: dict[str, Tensor], trained: set[str], inputs: Tensor) -> tuple[int, bool]:
    """FLOPs per sample, and whether another device would count others."""
    for name in trained:
        tensors[name].requires_grad_()
    if inputs.is_meta:
        from torch.utils.flop_counter import FlopCounterMode  # slow to import

        with FlopCounterMode(display=False) as counter:
            _run(model, tensors, trained, inputs)
        return int(counter.get_total_flops()) // len(inputs), False
    with FlopMeter() as meter:
        _run(model, tensors, trained, inputs)
    return meter.flops // len(inputs), meter.by_device


def _run(model: nn.Module, tensors: dict[str, Tensor], trained: set[str], inputs: Tensor) -> None:
    output = functional_call(model, tensors, inputs)
    if trained:
        torch.autograd.backward(output.sum())
