"""What several devices cannot train together, said before anything runs."""

from __future__ import annotations

import os

import torch
from torch import nn

from growsearch.errors import InputError
from growsearch.training.setup import Setup


def require_devices(device: str, devices: int) -> None:
    """Raise `InputError` unless there are so many devices of this kind, and this process may start others on them."""
    if os.environ.get("TORCHELASTIC_RUN_ID") and (started := os.environ.get("WORLD_SIZE", "1")) != "1":
        raise InputError(
            f"torchrun has started this command in {started} processes, but it starts its processes itself: give "
            f"--devices {started} in place of torchrun"
        )
    if devices == 1:
        return
    if not torch.distributed.is_available():
        raise InputError(f"--devices {devices} needs a build of torch with torch.distributed: leave --devices out")
    if torch.device(device).type == "cuda" and (there := torch.cuda.device_count()) < devices:
        raise InputError(
            f"--devices {devices}: found {there} CUDA device{'s' * (there != 1)}: give --devices {there}, or "
            "--device cpu for processes on the CPU"
        )


def require_shared(setup: Setup, devices: int) -> None:
    """Raise `InputError` where a run cannot be shared by so many devices."""
    if devices == 1:
        return
    config, without = setup.config, f"leave --devices {devices} out"
    sizes = {
        "training.batch_size": config.training.batch_size or None,
        "growth.statistics.batch_size": config.growth.statistics.batch_size if config.growth.grows else None,
        "the samples to train on": len(setup.data.train),
    }
    for name, size in sizes.items():
        if size is not None and size < devices:
            raise InputError(
                f"{name}: {size} cannot be shared by {devices} devices: give {devices} or more, or {without}"
            )
    if config.growth.soft is not None:
        raise InputError(f"growth.soft moves sizes in every step, which several devices do not follow: {without}")
    if config.training.cuda_graph:
        raise InputError(
            "training.cuda_graph: a recording does not hold what other devices send: give false or null, or " + without
        )
    for path, module in setup.model.named_modules():
        if isinstance(module, nn.SyncBatchNorm):
            raise InputError(
                f"{path!r} is a SyncBatchNorm: use plain batch normalisation, which sees the batch of all devices, or "
                + without
            )
        if isinstance(module, nn.modules.instancenorm._InstanceNorm) and module.track_running_stats:
            raise InputError(
                f"{path!r} keeps running statistics of instances, which would be those of one device's samples: make "
                f"it with track_running_stats=False, or {without}"
            )
