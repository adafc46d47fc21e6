"""The next token at every position of a text."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar, Literal

from torch import Tensor
from torch.nn import functional as F

from growsearch.tasks.metric import LOSS, Metric
from growsearch.tasks.task import Task

_LARGEST_EXPONENT = 700.0  # beyond it a float has no exponential


class Language(Task):
    """Cross-entropy of the next token, mean over all positions, in nats; policies are ranked by bits per `unit`.

    Perplexity is its exponential. `unit` is what a token is; where it is left out, what the data say, or `token`.
    """

    summary: ClassVar[str] = "the next token at every position: cross-entropy, perplexity and bits per token"
    source: ClassVar[str] = "Shannon, Prediction and Entropy of Printed English, 1951"

    unit: Literal["byte", "character"] | None = None

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """See `Task.metrics`."""
        return self._bits, Metric("perplexity", "perplexity"), LOSS

    def criterion(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """See `Task.criterion`: outputs `[N, positions, vocabulary]`, targets int64 `[N, positions]`."""
        return F.cross_entropy(outputs.flatten(0, -2), targets.flatten())

    def measured(self, means: Mapping[str, float]) -> dict[str, float]:
        """See `Task.measured`."""
        loss = means["loss"]
        return {self._bits.name: loss / math.log(2), "perplexity": math.exp(min(loss, _LARGEST_EXPONENT)), **means}

    @property
    def _bits(self) -> Metric:
        unit = self.unit or "token"
        return Metric(f"bits_per_{unit}", f"bits per {unit}")

    def output_shape(self, input_shape: tuple[int, ...], outputs: int) -> tuple[int, ...]:
        """See `Task.output_shape`: `(positions, vocabulary)`."""
        return (*input_shape, outputs)

    def mismatch(self, inputs: Tensor, targets: Tensor) -> str | None:
        """See `Task.mismatch`."""
        if inputs.is_floating_point() or targets.is_floating_point() or inputs.shape != targets.shape:
            return (
                f"inputs are {inputs.dtype} of shape {list(inputs.shape)} and targets {targets.dtype} of shape "
                f"{list(targets.shape)}, not a token and the one that follows at every position"
            )
        return None
