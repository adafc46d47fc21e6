"""Growth of a network that several processes train by `DistributedDataParallel`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from torch import nn
from torch.optim import Optimizer

from growsearch.graph.wrapping import wrapper_named

if TYPE_CHECKING:
    from torch.nn.parallel import DistributedDataParallel

    from growsearch.growth.ranks.replicas import Replicas

__all__ = ["replicas_of"]


def replicas_of(model: nn.Module, optimizers: Sequence[Optimizer], companions: Sequence[nn.Module]) -> Replicas | None:
    """The processes that train `model`, where it is in a `DistributedDataParallel`; None for one process.

    Raises `InputError` where the wrapper cannot be made again.
    """
    wrapper = wrapper_named(model, "DistributedDataParallel")
    if wrapper is None:
        return None
    from growsearch.growth.ranks.replicas import Replicas  # some builds of torch have no torch.distributed

    return Replicas(cast("DistributedDataParallel", wrapper), optimizers, companions)
