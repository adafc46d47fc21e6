"""The wrapper of torch around a network that several processes train, made again when the network has grown."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.distributed import ProcessGroup
from torch.nn.parallel import DistributedDataParallel

from growsearch.errors import InputError

_HOOKS = (
    "_backward_hooks",
    "_backward_pre_hooks",
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_state_dict_hooks",
    "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
    "training",
)
"""What a user may have changed at the wrapper, and making it again would forget."""


def check_wrapper(wrapper: DistributedDataParallel) -> None:
    """Raise `InputError` for what cannot be made again, or cannot be grown by one process for all."""
    if wrapper.mixed_precision is not None:
        raise InputError("DistributedDataParallel with mixed_precision cannot grow: use torch.autocast instead")
    if wrapper._delay_all_reduce_params:
        raise InputError("DistributedDataParallel with delay_all_reduce_named_params cannot grow: leave that out")
    for hook, state in _comm_hooks(wrapper):
        if state is not None and not isinstance(state, ProcessGroup):
            raise InputError(
                f"the communication hook {getattr(hook, '__name__', hook)} keeps a state of the network's size, which "
                "cannot follow a growth: use one without a state, such as fp16_compress_hook"
            )
    for path, module in wrapper.module.named_modules():
        if isinstance(module, nn.SyncBatchNorm):
            raise InputError(
                f"{path!r} is a SyncBatchNorm, which waits for all processes whenever it runs, and events run the "
                "network in one of them: use plain batch normalisation, or a normalisation within the sample"
            )


def rewrap(wrapper: DistributedDataParallel) -> None:
    """Make the wrapper anew around the network as it is now; the object stays, so that variables stay valid.

    All processes have to call it: parameters and buffers become those of the first.
    """
    kept = {name: wrapper.__dict__[name] for name in _HOOKS if name in wrapper.__dict__}
    hooks, broadcasts = _comm_hooks(wrapper), wrapper.broadcast_buffers
    module, group = wrapper.module, wrapper.process_group
    settings: dict[str, Any] = {
        "device_ids": wrapper.device_ids,
        "output_device": wrapper.output_device,
        "dim": wrapper.dim,
        "process_group": group,
        "find_unused_parameters": wrapper.find_unused_parameters,
        "gradient_as_bucket_view": wrapper.gradient_as_bucket_view,
        "static_graph": wrapper.static_graph,
    }
    if not wrapper.bucket_bytes_cap_default:
        settings["bucket_cap_mb"] = wrapper.bucket_bytes_cap / 2**20
    wrapper.reducer._remove_autograd_hooks()  # those of parameters that stay would call the old one
    DistributedDataParallel.__init__(wrapper, module, **settings)
    wrapper.__dict__.update(kept)
    wrapper.broadcast_buffers = broadcasts
    for hook, state in hooks:
        wrapper.register_comm_hook(state, hook)


def _comm_hooks(wrapper: DistributedDataParallel) -> list[tuple[Any, object]]:
    return list(wrapper._comm_hooks)
