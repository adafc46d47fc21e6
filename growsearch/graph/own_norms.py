"""RMS normalisations that models write themselves, known by what they compute."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

_CLOSE = 1e-4
_LARGEST_EPS = 0.1
_KNOWN: dict[Any, OwnRmsNorm | None] = {}
"""What a trial found, by class and plain attributes."""


@dataclass(frozen=True)
class OwnRmsNorm:
    """Names of the weight and of the attribute that is added to the mean square; `offset` is added to the weight."""

    weight: str
    eps: str
    offset: float


def own_rms_norm(module: nn.Module) -> OwnRmsNorm | None:
    """How a module outside torch computes `x / sqrt(mean(x^2) + eps) * (offset + weight)` over the last axis.

    None where it does not: it has other tensors or children, no eps among its attributes, or gives other values for
    random inputs, weights and eps.
    """
    weights = {name: weight for name, weight in module._parameters.items() if weight is not None}
    if type(module).__module__.startswith("torch.") or module._modules or module._buffers or len(weights) != 1:
        return None
    ((name, weight),) = weights.items()
    plain = {key: value for key, value in vars(module).items() if isinstance(value, int | float | str | None)}
    if type(weight) is not nn.Parameter or weight.ndim != 1 or len(weight) < 2:
        return None
    known = (type(module), type(module).forward, name, len(weight), tuple(sorted(plain.items(), key=str)))
    if known not in _KNOWN:
        _KNOWN[known] = next((f for f in _candidates(name, plain) if _computes(module, f, len(weight))), None)
    return _KNOWN[known]


def _candidates(weight: str, attributes: dict[str, Any]) -> list[OwnRmsNorm]:
    eps = [key for key, value in attributes.items() if type(value) is float and 0 < value < _LARGEST_EPS]
    return [OwnRmsNorm(weight, key, offset) for key in eps for offset in (0.0, 1.0)]


def _computes(module: nn.Module, form: OwnRmsNorm, size: int) -> bool:
    """Whether a copy of the module with another weight, and with another eps, gives what `form` says."""
    generator = torch.Generator().manual_seed(0)
    twin = copy.copy(module)
    weight = torch.randn(size, generator=generator, dtype=torch.float64, device="cpu")
    twin._parameters = {form.weight: nn.Parameter(weight, requires_grad=False)}
    eps = float(getattr(module, form.eps))
    try:
        for value in (eps, 5 * eps):
            setattr(twin, form.eps, value)
            # Small enough for eps to matter.
            x = torch.randn(2, 3, size, generator=generator, dtype=torch.float64, device="cpu") * value**0.5
            expected = x * (x.square().mean(-1, keepdim=True) + value).rsqrt() * (form.offset + weight)
            with torch.no_grad():
                found = type(module).forward(twin, x)
            if not isinstance(found, Tensor) or found.shape != x.shape or not _close(found.double(), expected):
                return False
    except Exception:  # whatever a module's own code raises on what it does not expect
        return False
    return True


def _close(found: Tensor, expected: Tensor) -> bool:
    """To the rounding of float32, in which such modules compute whatever they are given."""
    return bool((found - expected).abs().max() <= _CLOSE * expected.abs().max())
