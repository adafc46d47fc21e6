"""What growth takes as the loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

Objective = Callable[[nn.Module, Any], Tensor]
"""`objective(model, batch)` gives the loss of one batch, a differentiable scalar."""
