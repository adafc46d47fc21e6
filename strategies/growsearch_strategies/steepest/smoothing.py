"""Activations with a kink, smoothed: their second derivative is 0 but for a point, where a split gains everything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from growsearch.graph import function_name


class SmoothKinks(TorchFunctionMode):
    """Inside, `max(z, 0)` is softplus of inverse width `sharpness` / rms(z), wherever a gradient passes.

    ReLU, leaky ReLU, ReLU6, thresholds at 0 and clamps from 0 on are computed so, as functions, methods or modules.
    """

    def __init__(self, sharpness: float) -> None:
        super().__init__()
        self._sharpness = sharpness

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        smooth = self._smooth(function_name(func), args, kwargs)
        if smooth is None:
            return func(*args, **kwargs)
        # In place where the function is: what it was given is what its caller goes on with.
        return args[0].copy_(smooth) if str(getattr(func, "__name__", "")).endswith("_") else smooth

    def _smooth(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor | None:
        z = args[0] if args else None
        if not isinstance(z, Tensor) or not z.requires_grad:
            return None
        number: Any = args[1] if len(args) > 1 else None
        if name == "relu" or (name == "threshold" and -1e-6 < float(kwargs.get("threshold", number)) < 1e-6):
            return self._ramp(z.clone())
        if name == "leaky_relu":
            slope = float(kwargs.get("negative_slope", 0.01 if number is None else number))
            return slope * z + (1 - slope) * self._ramp(z.clone())
        if name == "relu6":
            return self._ramp(z.clone()) - self._ramp(z.clone() - 6.0)
        if name in ("clamp", "clamp_min") and kwargs.get("min", number) == 0:
            above = kwargs.get("max", args[2] if len(args) > 2 else None)
            return self._ramp(z.clone()) if above is None else None
        return None

    def _ramp(self, z: Tensor) -> Tensor:
        size = z.detach().square().mean().sqrt()
        width = torch.where(size > 0, size, torch.ones_like(size)) / self._sharpness
        return width * torch.logaddexp(z / width, torch.zeros_like(z))
