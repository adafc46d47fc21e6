"""What growing asks of the device that a model is on, and of torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from growsearch.errors import GrowthRefused
from growsearch.graph.wrapping import eagerly


def wait_for_device(model: nn.Module) -> None:
    """Wait until everything that was launched on the model's GPUs is done, so that a clock started now is right."""
    for device in {parameter.device for parameter in model.parameters() if parameter.is_cuda}:
        torch.cuda.synchronize(device)


@contextmanager
def event_conditions() -> Iterator[None]:
    """Inside, float32 is float32 and code runs as it was written; whether autograd records is afterwards as before.

    Raises `GrowthRefused` in inference mode.
    """
    if torch.is_inference_mode_enabled():
        raise GrowthRefused("in torch.inference_mode() new parameters could never be trained: grow outside of it")
    with torch.set_grad_enabled(torch.is_grad_enabled()), full_precision(), eagerly():
        yield


@contextmanager
def full_precision() -> Iterator[None]:
    """Inside, float32 products and convolutions are computed in float32, on NVIDIA GPUs too.

    There, convolutions are computed in TF32 unless told otherwise, with a mantissa of 10 bits: a growth that changes
    nothing would seem to change the outputs by 1e-3, and singular vectors would be no better.
    """
    backends: Any = torch.backends  # some attributes are made when it is imported
    cudnn = backends.cudnn
    if not hasattr(cudnn, "conv"):  # before torch 2.9
        with _older_full_precision(cudnn):
            yield
        return
    off = (cudnn.conv, cudnn.rnn, backends.cuda.matmul)
    moved = (*off, backends.mkldnn.matmul)  # the last one follows `set_float32_matmul_precision`
    before = [each.fp32_precision for each in moved]
    older = _older_precision()
    # The older switches are moved too: torch refuses to read them where they disagree with these.
    try:
        cudnn.allow_tf32 = backends.cuda.matmul.allow_tf32 = False
        for each in off:
            each.fp32_precision = "ieee"
        yield
    finally:
        cudnn.allow_tf32 = before[0] == "tf32"
        if older is None:
            backends.cuda.matmul.allow_tf32 = before[2] == "tf32"
        else:
            torch.set_float32_matmul_precision(older)
        for each, precision in zip(moved, before, strict=True):
            each.fp32_precision = precision


@contextmanager
def _older_full_precision(cudnn: Any) -> Iterator[None]:
    """The same by the switches that there were before torch had one for each kind of operation."""
    convolutions, products = cudnn.allow_tf32, torch.get_float32_matmul_precision()
    try:
        cudnn.allow_tf32 = False
        torch.set_float32_matmul_precision("highest")
        yield
    finally:
        cudnn.allow_tf32 = convolutions
        torch.set_float32_matmul_precision(products)


def _older_precision() -> str | None:
    """What `set_float32_matmul_precision` has set; None where only the newer switches were used."""
    try:
        return torch.get_float32_matmul_precision()
    except RuntimeError:
        return None
