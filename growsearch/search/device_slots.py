"""Where workers compute: on the CPU, or each on a GPU with a share of its memory."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

import torch

from growsearch.errors import InputError
from growsearch.execution.environment import core_count
from growsearch.training.precision import resolve_device


@dataclass(frozen=True)
class DeviceSlot:
    """Where one worker computes; `gpu` is what its process sees of them, `share` what it may use of the memory."""

    device: str
    gpu: str | None = None
    share: float = 1.0

    def enter(self) -> None:
        """Make this process compute there; before anything was computed on a GPU."""
        if self.gpu is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = self.gpu
            torch.cuda.set_per_process_memory_fraction(self.share)


def device_slots(device: str, workers: int | None, slots: int | None, on_cpu: int | None = None) -> list[DeviceSlot]:
    """Where so many workers compute, or `slots` workers for each GPU, by default one.

    Without a number there are `on_cpu` workers on the CPU, by default as many as it has cores. Raises `InputError`
    where both numbers are given, or slots without a GPU.

    Args:
        device: as the user names it.
        workers: how many in all.
        slots: how many for each GPU.
        on_cpu: how many on the CPU where no number is given.
    """
    resolved = resolve_device(device)
    if workers is not None and slots is not None:
        raise InputError("--workers is the number in all, --slots that for each GPU: give one of them")
    if resolved.type == "cpu":
        if slots is not None:
            raise InputError("--slots are of GPUs, and this runs on the CPU: use --workers")
        return [DeviceSlot("cpu")] * (workers or on_cpu or core_count())
    gpus = _gpus() if resolved.index is None else [_gpus()[resolved.index]]
    count = workers or (slots or 1) * len(gpus)
    share = 1 / math.ceil(count / len(gpus))
    return [DeviceSlot("cuda", gpus[number % len(gpus)], share) for number in range(count)]


def _gpus() -> list[str]:
    """The GPUs that this process sees, by the names that `CUDA_VISIBLE_DEVICES` takes."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = named.split(",") if named else [str(index) for index in range(torch.cuda.device_count())]
    return [name.strip() for name in names][: torch.cuda.device_count()]
