"""Whether a structural change left what the network computes as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from growsearch.errors import GrowsearchError, GrowthFailed, GrowthRefused, TraceWarning
from growsearch.growth.dropout import WithoutDropout
from growsearch.growth.noise import SteadyNoise
from growsearch.surgery import holds_values, outputs_of, relative_difference
from growsearch.warning import warn_caller

TOLERANCE = 1e-4
HALF_TOLERANCE = 3e-2
ROUNDING_FACTOR = 30.0


@contextmanager
def failing_whole() -> Iterator[None]:
    """What the user's code raises inside, on a network that has grown, becomes one `GrowthFailed`.

    Any class: an assert on a width, a key that is no more. Where memory runs out, it is not the growth that is wrong.
    """
    try:
        yield
    except (GrowthFailed, GrowthRefused, torch.OutOfMemoryError, MemoryError):
        raise
    except Exception as error:
        what = str(error) if isinstance(error, GrowsearchError) else f"{type(error).__name__}: {error}"
        raise GrowthFailed(f"the grown network does not run, so the growth was rolled back: {what}") from error


def both_outputs(model: nn.Module, example_inputs: Any) -> list[Any]:
    """Outputs in eval mode, and in train mode; None where the example inputs do not allow one.

    Batch normalisation cannot train on a single value per channel; a detector wants targets then.
    """
    found = [_outputs(model, example_inputs, training=False)]
    if not holds_values(found[0]):
        what = f"the outputs ({type(found[0]).__name__}) hold no tensor, array or number that can be compared"
        warn_caller(f"{what}, so nothing checks that growth keeps the function", TraceWarning)
    try:
        found.append(_outputs(model, example_inputs, training=True))
    except Exception:  # whatever the user's code raises: there is nothing to compare
        found.append(None)
    return found


def output_change(model: nn.Module, example_inputs: Any, before: list[Any]) -> list[float]:
    """Relative change of the outputs in eval mode, and in train mode where `before` has outputs."""
    modes = [training for training, old in zip((False, True), before, strict=True) if old is not None]
    return [relative_difference(before[mode], _outputs(model, example_inputs, training=mode)) for mode in modes]


def require_preserved(model: nn.Module, example_inputs: Any, change: list[float]) -> None:
    """`GrowthFailed` where `change`, as `output_change` gives it, is more than rounding."""
    dtypes = {p.dtype for p in model.parameters()}
    tolerance = HALF_TOLERANCE if dtypes & {torch.float16, torch.bfloat16} else TOLERANCE
    for mode, found in zip(("eval", "train"), change, strict=False):
        if found <= tolerance:
            continue
        if found <= ROUNDING_FACTOR * _rounding(model, example_inputs, training=mode == "train"):
            continue
        raise GrowthFailed(
            f"the growth was rolled back: in {mode} mode it changed the outputs by {found:.2g} (relative), above "
            f"{tolerance:g}"
        )


def _rounding(model: nn.Module, example_inputs: Any, training: bool) -> float:
    """How far rounding the inputs alone moves the outputs.

    Batch normalisation over a handful of values divides by variances near zero, and some deep networks amplify whatever
    enters: there, rounding errors in the first layer can change the outputs visibly, growth or none.
    """
    generator = torch.Generator().manual_seed(0)

    def perturbed(value: Any) -> Any:
        if isinstance(value, Tensor) and value.is_floating_point():
            noise = torch.randn(value.shape, generator=generator).to(value)
            return value * (1 + torch.finfo(value.dtype).eps * noise)
        return value

    moved = tree_map(perturbed, example_inputs)
    exact = _outputs(model, example_inputs, training=training)
    return relative_difference(exact, _outputs(model, moved, training=training))


def _outputs(model: nn.Module, inputs: Any, training: bool) -> Any:
    """Without dropout, and with noise that does not depend on widths: a tensor that has grown draws other numbers."""
    with WithoutDropout(), SteadyNoise():
        return outputs_of(model, inputs, training=training)
