"""Which gradients an optimizer has used already.

Between `backward()` and `step()` a growth would lose gradients. After `step()` they are of no more use, but nothing in
PyTorch says so: a loop that begins with `zero_grad()` keeps them until its next round. So an optimizer that is watched
marks the gradients that it has used with their version; the next `backward()` changes it, or makes new tensors.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from weakref import WeakSet

from torch import Tensor
from torch.optim import Optimizer

_USED = "_used_at_version"
_watched: WeakSet[Optimizer] = WeakSet()


def watch_steps(optimizers: Iterable[Optimizer]) -> None:
    """From now on, `is_used` knows the gradients that these optimizers have used; once for each is enough."""
    for optimizer in optimizers:
        if optimizer not in _watched:
            _watched.add(optimizer)
            optimizer.register_step_post_hook(_mark_used)


def is_used(gradient: Tensor) -> bool:
    """Whether dropping a gradient loses nothing: a step used it, or no step will, because it is not finite.

    A `GradScaler` skips steps whose gradients overflow.
    """
    if getattr(gradient, _USED, None) == gradient._version:
        return True
    values = gradient.coalesce().values() if gradient.is_sparse else gradient
    return not bool(values.count_nonzero()) or not bool(values.isfinite().all())


def _mark_used(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            gradient = parameter.grad
            if gradient is not None:
                setattr(gradient, _USED, gradient._version)
