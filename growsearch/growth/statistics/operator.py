"""The gradient matrix of a site for one batch: as a dense matrix, or through its products.

Rows are the weights of one new unit at the site's consumers, columns those at its producers, each layer flattened as
(far channels, slots, kernel) and the layers one after the other; a layer that is called several times counts once.
Entry (i, j) is the second derivative of the loss by the two, at zero: GradMax's matrix `M`, for any number of
producers and consumers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from growsearch.growth.statistics.endpoints import (
    Endpoint,
    apply_layer,
    distinct,
    geometry,
    layer_input_gradient,
    layer_weight_gradient,
)
from growsearch.growth.statistics.path_jacobian import PathJacobian
from growsearch.growth.statistics.taps import Geometry, tap_matrix
from growsearch.growth.statistics.vector_products import vector_products

CHUNK = 64


class GradientOperator:
    """One site, one channel, one batch; see the module's docstring. `inputs` and `gradients` are keyed by call."""

    def __init__(
        self,
        model: nn.Module,
        path: PathJacobian,
        producers: list[Endpoint],
        consumers: list[Endpoint],
        inputs: Mapping[str, Tensor],
        gradients: Mapping[str, Tensor],
        grids: Mapping[str, tuple[int, ...]],
    ) -> None:
        self.model, self.path = model, path
        self.producers, self.consumers = producers, consumers
        self.inputs = {p.call: _channels(inputs[p.call], p, model) for p in producers}
        self.gradients = {c.call: _channels(gradients[c.call], c, model) for c in consumers}
        self.grids = grids
        self.rows = sum(c.size for c in distinct(consumers))
        self.cols = sum(p.size for p in distinct(producers))

    def dense(self) -> Tensor:
        """The matrix `[rows, cols]`, float32 or better."""
        if not self.path.scalar:
            return self._dense_by_products()
        rows = [_joined({p.call: self._block(p, c) for p in self.producers}, self.producers, 1) for c in self.consumers]
        return _joined({c.call: row for c, row in zip(self.consumers, rows, strict=True)}, self.consumers, 0)

    def times(self, vectors: Tensor) -> Tensor:
        """`M v` for every row v of `vectors` `[r, cols]`: the consumers' weight gradients of units starting with v."""
        return self.at_consumers(self.path.apply(self.activations(vectors)), len(vectors))

    def transposed_times(self, vectors: Tensor) -> Tensor:
        """`u M` for every row `u` of `vectors` `[r, rows]`: the producers' weight gradients of units ending with u."""
        z = {p.call: self._virtual_output(p, len(vectors)).requires_grad_() for p in self.producers}
        with torch.enable_grad():
            carried = self.path.apply(z)
        return self.pull(vectors, z, carried)

    def activations(self, vectors: Tensor) -> dict[str, Tensor]:
        """What units starting with the rows of `vectors` `[r, cols]` give at the producers, without bias."""
        return {
            p.call: apply_layer(self._layer(p), self.inputs[p.call], v.reshape(-1, p.width, *p.kernel))
            for p, v in _shared(vectors, self.producers)
        }

    def at_consumers(self, carried: Mapping[str, Tensor], count: int) -> Tensor:
        """The consumers' weight gradients `[count, rows]` for what `count` units bring them."""
        out = {}
        for c in self.consumers:
            if c.call not in carried:
                out[c.call] = self.gradients[c.call].new_zeros(count, c.size)
                continue
            gradient = layer_weight_gradient(self._layer(c), carried[c.call], self.gradients[c.call])
            out[c.call] = _by_unit(gradient, c, count)
        return _joined(out, self.consumers, 1)

    def pull(self, vectors: Tensor, z: Mapping[str, Tensor], carried: Mapping[str, Tensor]) -> Tensor:
        """The producers' weight gradients `[r, cols]` of units ending with the rows of `vectors` `[r, rows]`.

        `carried` was made from `z`, the units' values at the producers, with autograd.
        """
        seeds: dict[str, Tensor] = {}
        for c, u in _shared(vectors, self.consumers):
            weight = _as_weight(u, c)
            seeds[c.call] = layer_input_gradient(self._layer(c), self.gradients[c.call], weight, self._input_grid(c))
        names = [name for name in seeds if name in carried]
        found = vector_products([carried[n] for n in names], list(z.values()), [seeds[n] for n in names])
        back = {
            name: torch.zeros_like(value) if grad is None else grad
            for (name, value), grad in zip(z.items(), found, strict=True)
        }
        out = {
            p.call: layer_weight_gradient(self._layer(p), self.inputs[p.call], back[p.call]).reshape(len(vectors), -1)
            for p in self.producers
        }
        return _joined(out, self.producers, 1)

    def mean_patch(self) -> Tensor:
        """Mean over samples and positions of what one unit's incoming weights are multiplied with, `[cols]`."""
        return _joined({p.call: self._mean_patch(p) for p in self.producers}, self.producers, 0)

    def _mean_patch(self, p: Endpoint) -> Tensor:
        one = torch.ones_like(self._virtual_output(p, 1))
        return layer_weight_gradient(self._layer(p), self.inputs[p.call], one).flatten() / one.numel()

    def _virtual_output(self, p: Endpoint, count: int) -> Tensor:
        x = self.inputs[p.call]
        if isinstance(self._layer(p), nn.Linear):
            return x.new_zeros(*x.shape[:-1], count)
        return x.new_zeros(x.shape[0], count, *self.grids[p.call])

    def _input_grid(self, c: Endpoint) -> tuple[int, ...]:
        return self.grids[f"{c.call}:input"]

    def _block(self, p: Endpoint, c: Endpoint) -> Tensor:
        whole, mean = self.path.coefficients(p.call, c.call)
        x, g = self.inputs[p.call], self.gradients[c.call]
        if whole == mean == 0.0:
            return x.new_zeros(c.size, p.size)
        if isinstance(self._layer(c), nn.Linear):
            block = whole * (g.reshape(-1, g.shape[-1]).T @ x.reshape(-1, x.shape[-1]))
        else:
            taps = tap_matrix(x, g, geometry(self._layer(p)), geometry(self._layer(c)), self.grids[p.call])
            block = whole * taps.reshape(c.size, p.size)
        # What normalisation takes from the activation is its mean: the mean patch, times the gradients' sum.
        return block - mean * torch.outer(self._total(p, c), self._mean_patch(p)) if mean else block

    def _total(self, p: Endpoint, c: Endpoint) -> Tensor:
        """The gradient at one unit's activation, summed over samples and positions: for every weight of `c`."""
        g = self.gradients[c.call]
        if isinstance(self._layer(c), nn.Linear):
            return g.reshape(-1, g.shape[-1]).sum(0)
        grid = self.grids[p.call]
        one = g.new_ones(g.shape[0], 1, *grid)
        ones = (1,) * len(grid)
        point = Geometry(ones, ones, (0,) * len(grid), ones)
        return tap_matrix(one, g, point, geometry(self._layer(c)), grid).flatten()

    def _dense_by_products(self) -> Tensor:
        x = next(iter(self.inputs.values()))
        eye = torch.eye(self.rows, dtype=x.dtype, device=x.device)
        return torch.cat([self.transposed_times(rows) for rows in torch.split(eye, CHUNK)], 0)

    def _layer(self, end: Endpoint) -> nn.Module:
        return self.model.get_submodule(end.module)


def _channels(value: Tensor, end: Endpoint, model: nn.Module) -> Tensor:
    """The channel's far channels, in float32 or better."""
    value = value.detach()
    if value.dtype in (torch.float16, torch.bfloat16):
        value = value.float()
    axis = -1 if isinstance(model.get_submodule(end.module), nn.Linear) else 1
    if end.width == value.shape[axis]:
        return value
    return value.narrow(axis, end.channels.start, end.width)


def _shared(vectors: Tensor, ends: Sequence[Endpoint]) -> list[tuple[Endpoint, Tensor]]:
    """Every call with its part of the vectors: calls of one weight have the same."""
    weights = distinct(ends)
    pieces = torch.split(vectors, [end.size for end in weights], 1)
    by_weight = {end.use.tensor: piece for end, piece in zip(weights, pieces, strict=True)}
    return [(end, by_weight[end.use.tensor]) for end in ends]


def _joined(parts: Mapping[str, Tensor], ends: Sequence[Endpoint], dim: int) -> Tensor:
    """The parts of all calls side by side: those of calls of one weight are added up."""
    by_weight: dict[str, Tensor] = {}
    for end in ends:
        known = by_weight.get(end.use.tensor)
        by_weight[end.use.tensor] = parts[end.call] if known is None else known + parts[end.call]
    return torch.cat(list(by_weight.values()), dim)


def _as_weight(vectors: Tensor, end: Endpoint) -> Tensor:
    """Rows `[r, size]` as a consumer's weight `[far, r * slots, *kernel]`, input positions run by run."""
    units = vectors.reshape(len(vectors), end.width, end.slots, *end.kernel)
    runs = [run.movedim(0, 1).reshape(end.width, -1, *end.kernel) for run in torch.split(units, _repeats(end), 2)]
    return torch.cat(runs, 1)


def _by_unit(gradient: Tensor, end: Endpoint, count: int) -> Tensor:
    """Inverse of `_as_weight`."""
    repeats = _repeats(end)
    runs = [
        run.reshape(end.width, count, repeat, *end.kernel).movedim(1, 0)
        for run, repeat in zip(torch.split(gradient, [count * r for r in repeats], 1), repeats, strict=True)
    ]
    return torch.cat(runs, 2).reshape(count, -1)


def _repeats(end: Endpoint) -> list[int]:
    """Weight positions of one unit of the channel, run by run."""
    return [run.repeat for run in end.use.runs] if end.unit_channels == 1 else [1]
