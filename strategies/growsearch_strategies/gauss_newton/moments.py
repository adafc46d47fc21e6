"""Second moments that tell how much a direction costs: of a producer's input patches, and of output gradients."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from growsearch_strategies.gauss_newton.evaluation import wide
from growsearch_strategies.gauss_newton.passes import Seen
from growsearch_strategies.gauss_newton.site_problems import End, layer_at
from growsearch_strategies.gauss_newton.surrogate_problem import SurrogateProblem

PATCH_LIMIT = 1024
"""Longest patch whose second moment is taken whole; beyond, that of its channels serves for every tap."""
SAMPLES = 64
"""So many samples of a batch are enough for the moments of patches."""


class Metric:
    """The second moment of one end, added up batch by batch, and the solution of equations with it."""

    def __init__(self, surrogate: SurrogateProblem, end: End, damping: float) -> None:
        self.layer, self.end, self.damping = layer_at(surrogate.model, end), end, damping
        self._sum: Tensor | None = None
        self._factor: Tensor | None = None
        self._level = 1.0

    def add(self, rows: Tensor) -> None:
        """Add up `[rows, features]`."""
        moment = rows.T @ rows / max(1, len(rows))
        self._sum = moment if self._sum is None else self._sum + moment

    def solve(self, rows: Tensor) -> Tensor:
        """`rows` `[r, features]` times the inverse of the moment, damped by a share of its mean diagonal."""
        if self._factor is None:
            assert self._sum is not None
            size = len(self._sum)
            self._level = float(self._sum.diagonal().mean()) or 1.0
            damping = self.damping * torch.eye(size, dtype=torch.float64, device=self._sum.device)
            self._factor = torch.linalg.cholesky(self._sum.double() / self._level + damping)
        return (torch.cholesky_solve(rows.T.double(), self._factor).T / self._level).to(rows)


class InputMetric(Metric):
    """The second moment of a producer's input patches; of its channels alone where patches are long or grouped."""

    @property
    def _whole(self) -> bool:
        plain = isinstance(self.layer, nn.Conv2d) and self.layer.padding_mode == "zeros" and not self.end.grouped
        return plain and self.layer.weight[0].numel() <= PATCH_LIMIT and not isinstance(self.layer.padding, str)

    def observe(self, seen: Seen) -> None:
        """Add one batch."""
        for key in seen.keys(self.end.module):
            x = wide(seen.inputs[key][:SAMPLES])
            if isinstance(self.layer, nn.Linear):
                self.add(x.reshape(-1, x.shape[-1]))
            elif self._whole:
                layer = self.layer
                assert isinstance(layer, nn.Conv2d) and not isinstance(layer.padding, str)
                patches = F.unfold(x, layer.kernel_size, layer.dilation, layer.padding, layer.stride)
                self.add(patches.movedim(1, -1).flatten(0, 1))
            else:
                self.add(x.movedim(1, -1).flatten(0, -2))

    def apply(self, gradient: Tensor) -> Tensor:
        """The weight-shaped `gradient` times the inverse moment."""
        if isinstance(self.layer, nn.Linear):
            return self.solve(gradient)
        if self._whole:
            return self.solve(gradient.flatten(1)).reshape(gradient.shape)
        if self.end.grouped:
            return gradient
        by_channel = gradient.movedim(1, -1)
        return self.solve(by_channel.flatten(0, -2)).reshape(by_channel.shape).movedim(-1, 1)


class OutputMetric(Metric):
    """The second moment of the gradients for sampled labels at a consumer's output; the same for every tap."""

    def observe(self, seen: Seen) -> None:
        """Add one batch."""
        for key in seen.keys(self.end.module):
            if key in seen.label_out:
                gradient = seen.label_out[key]
                channels_last = gradient if isinstance(self.layer, nn.Linear) else gradient.movedim(1, -1)
                self.add(channels_last.flatten(0, -2))

    def apply(self, gradient: Tensor) -> Tensor:
        """The weight-shaped `gradient` `[outputs, inputs, ...]` times the inverse moment along its outputs."""
        by_input = gradient.flatten(1)
        return self.solve(by_input.T).T.reshape(gradient.shape)
