"""What a network costs to train, in FLOPs."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode

_SAMPLES = 2  # batch normalisation refuses to train on one


def training_flops_per_sample(model: nn.Module, input_shape: tuple[int, ...]) -> int:
    """FLOPs of one forward and backward pass, per sample of shape `input_shape`.

    Counted by torch's `FlopCounterMode`: two per multiply-add of convolutions, matrix products and attention; nothing
    for elementwise work. The model is run on meta tensors that stand for its parameters and buffers: nothing is
    computed or changed.
    """
    tensors = {name: _meta(tensor) for name, tensor in [*model.named_parameters(), *model.named_buffers()]}
    rng = torch.get_rng_state()
    was_training = model.training
    model.train()
    try:
        with FlopCounterMode(display=False) as counter:
            output = functional_call(model, tensors, torch.empty(_SAMPLES, *input_shape, device="meta"))
            torch.autograd.backward(output.sum())
    finally:
        model.train(was_training)
        torch.set_rng_state(rng)
    return int(counter.get_total_flops()) // _SAMPLES


def _meta(tensor: Tensor) -> Tensor:
    return torch.empty_like(tensor, device="meta").requires_grad_(tensor.requires_grad)
