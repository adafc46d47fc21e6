"""Candidates from directions: what initializers of new units share.

A new unit has weights on the way in (at the producers) and on the way out (at the consumers). To leave the network's
function as it is, one side starts at zero. With zero *incoming* weights every activation on the way must be 0 at 0,
and a ReLU, whose derivative at 0 is 0 in PyTorch, must see a value just above 0 to let the gradient through: the new
units get a bias of `ACTIVATION_EPSILON` (or, without any bias, incoming weights of that relative size). With zero
*outgoing* weights neither matters. Behind batch normalisation a channel that is 0 has variance 0, and gradients through
it are 1 / sqrt(eps) times too large. And behind a ReLU the first noisy updates may push a unit that starts at 0 below 0
on all of the data, where it is dead. In both cases the outgoing side is zero by default.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from growsearch.errors import GrowthRefused, InputError
from growsearch.graph import NetworkGraph, Site
from growsearch.graph.filters import delta_filters
from growsearch.growth.candidate import FillKey, NewUnit
from growsearch.growth.random_directions import random_directions
from growsearch.growth.starts import silent_row, start_of, typical
from growsearch.growth.statistics.path_jacobian import PathJacobian
from growsearch.growth.stream_units import require_no_stream
from growsearch.growth.trainable import named_weights, require_trained, trains
from growsearch.growth.unit_weights import UnitWeights, fill_shape, mean_norm_of, unit_weights, weight_of

Side = Literal["auto", "incoming", "outgoing"]
ACTIVATION_EPSILON = 1e-7


class SiteEnds:
    """What a site's units have on the way in and on the way out, with the means to turn vectors into new units.

    `producers` and `consumers` hold, channel by channel (see `unit_weights`), the weights of one unit. `trainable` are
    the names of the parameters that train; None: all.
    """

    def __init__(
        self, model: nn.Module, graph: NetworkGraph, site: Site, trainable: frozenset[str] | None = None
    ) -> None:
        require_no_stream(site)
        require_trained(site, trainable)
        self.model, self.site, self._trainable = model, site, trainable
        self.path = PathJacobian(graph, model, site)
        self.producers = unit_weights(model, site, "out")
        self.consumers = unit_weights(model, site, "in")
        if not any(self.producers):
            raise GrowthRefused(
                f"site {site.name!r}: all weights that make its units are tied to weights that read them, so new units "
                "could not start at zero on one side only; grow other sites"
            )

    def zero_side(self, side: Side) -> Literal["incoming", "outgoing"]:
        """Which side starts at zero: the one that is asked for if its weights train, else the other.

        Raises `GrowthRefused` if the incoming side is asked for, or is the only one that trains, where it would change
        the function, or keep the units dead.
        """
        zero = self._preserving(side)
        if trains(self.site, "in" if zero == "outgoing" else "out", self._trainable):
            return zero
        if zero == "incoming":
            return "outgoing"
        try:
            self.path.check_silent_start()
        except GrowthRefused as error:
            raise GrowthRefused(
                f"site {self.site.name!r}: {named_weights(self.site, 'in')} is not trained, so new units could learn "
                f"only with zero incoming weights; but {error}"
            ) from None
        return "incoming"

    def _preserving(self, side: Side) -> Literal["incoming", "outgoing"]:
        """The side that is asked for, or the one that leaves the function as it is."""
        if side == "outgoing" or (side == "auto" and (self.path.normalised or self.path.one_sided)):
            return "outgoing"
        try:
            self.path.check_silent_start()
        except GrowthRefused:
            if side == "incoming":
                raise
            return "outgoing"
        return "incoming" if side == "incoming" or self.path.known else "outgoing"

    def mean_norm(self, end: Literal["incoming", "outgoing"], channel: int) -> float:
        """Mean norm of the existing units' weights on one side, all its layers together.

        Where they are all zero, the norm that PyTorch's own initialisation would give.
        """
        ends = (self.producers if end == "incoming" else self.consumers)[channel]
        return mean_norm_of(self.model, self.site, ends)

    def starts(self, end: Literal["incoming", "outgoing"], count: int, generator: torch.Generator) -> list[Tensor]:
        """Per channel, `[count, length]` weights of one side as its layers themselves begin."""
        channels = self.producers if end == "incoming" else self.consumers
        return [
            torch.cat([start_of(self.model, e.use).draw(count, e.size, generator) for e in ends], 1)
            for ends in channels
        ]

    def candidates(
        self,
        zero: Literal["incoming", "outgoing"],
        vectors: Sequence[Tensor],
        scores: Sequence[float] | None = None,
        descent: Sequence[Tensor] | None = None,
    ) -> list[NewUnit]:
        """Candidates whose non-zero side is given: per channel one tensor `[units, length of that side]`.

        `descent` gives, per channel, directions for the incoming side, used where an epsilon is needed and no layer on
        the way has a bias to carry it.

        Args:
            zero: the side that starts at zero.
            vectors: of the other side.
            scores: of the units; None: 0.
            descent: directions of the incoming side.
        """
        moving = self.producers if zero == "outgoing" else self.consumers
        count = len(vectors[0])
        fills = {**self._common_fills(), **self._fills(moving, vectors)}
        if zero == "incoming":
            fills.update(self._activation_epsilon(descent))
        each = {key: value.unbind() for key, value in fills.items()}  # one operation, however many units
        return [
            NewUnit(
                site=self.site.name,
                index=i,
                parameters=self.site.parameters_per_unit,
                flops=self.site.flops_per_unit,
                fills={key: values[i] if len(values) > 1 else values[0] for key, values in each.items()},
                score=None if scores is None else scores[i],
            )
            for i in range(count)
        ]

    def fills(self, end: Literal["incoming", "outgoing"], vectors: Sequence[Tensor]) -> dict[FillKey, Tensor]:
        """Fills `[units, *fill of one unit]` of one side from per channel `[units, length]`; differentiable."""
        return self._fills(self.producers if end == "incoming" else self.consumers, vectors)

    def length(self, end: Literal["incoming", "outgoing"], channel: int) -> int:
        """Number of weights of one unit on one side."""
        return sum(e.size for e in (self.producers if end == "incoming" else self.consumers)[channel])

    def random_incoming(self, count: int, generator: torch.Generator) -> list[Tensor]:
        """Per channel, `count` random unit directions of the incoming side: `descent` where there is no better one."""
        return [random_directions(count, self.length("incoming", i), generator) for i in range(len(self.producers))]

    def _fills(self, by_channel: Sequence[Sequence[UnitWeights]], vectors: Sequence[Tensor]) -> dict[FillKey, Tensor]:
        """Fills `[units, *fill of one unit]` from the channels' vectors `[units, length]`."""
        fills: dict[FillKey, Tensor] = {}
        for ends, rows in zip(by_channel, vectors, strict=True):
            sizes = [end.size for end in ends]
            if rows.shape[1] != sum(sizes):
                side = "incoming" if by_channel is self.producers else "outgoing"
                raise InputError(
                    f"site {self.site.name!r}: vectors of {rows.shape[1]} entries, and the {side} side has "
                    f"{sum(sizes)}: candidates take those of the side that is not zero"
                )
            for end, piece in zip(ends, torch.split(rows, sizes, 1), strict=True):
                weight, key = self.weight(end), (end.use.tensor, end.use.axis)
                if key not in fills:
                    fills[key] = weight.new_zeros(len(rows), *fill_shape(end.use, weight))
                end.write(fills[key], piece.to(weight))
                silent = silent_row(self.model, end.use)
                if silent is not None:
                    fills[key][:, silent] = 0.0
        return fills

    def _common_fills(self) -> dict[FillKey, Tensor]:
        """The same for all units, `[1, ...]`: depthwise filters pass their input on, free tensors are as usual."""
        fills: dict[FillKey, Tensor] = {}
        for use in self.site.axes:
            tensor = weight_of(self.model, use)
            shape = fill_shape(use, tensor)
            if use.role == "free":
                fills[use.tensor, use.axis] = typical(tensor, use.axis).expand(shape)[None].contiguous()
            if use.role != "depthwise" or not tensor.is_floating_point():
                continue
            fills[use.tensor, use.axis] = delta_filters(tensor, shape[0], shape[2:]).expand(shape)[None].contiguous()
        return fills

    def _activation_epsilon(self, descent: Sequence[Tensor] | None) -> dict[FillKey, Tensor]:
        """A value just above 0 at every producer, and behind every layer that would take it away again."""
        if not self.path.kinked:
            return {}
        learned = dict(self.model.named_parameters(remove_duplicate=False))
        fills = {
            (u.tensor, u.axis): (t := weight_of(self.model, u)).new_full((1, *fill_shape(u, t)), _smallest(t))
            for u in self.site.axes
            if u.role == "bias" or (u.role == "shift" and self.path.normalised and u.tensor in learned)
        }
        if descent is None or self.path.normalised:
            return fills
        size = _smallest(self.weight(self.producers[0][0]))
        moved = self._fills(
            self.producers, [d * (size * self.mean_norm("incoming", channel)) for channel, d in enumerate(descent)]
        )
        biased = {use.module for use in self.site.axes if use.role == "bias"}
        plain = [end.use for ends in self.producers for end in ends if end.module not in biased]
        without = {(use.tensor, use.axis) for use in plain}
        return {**fills, **{key: value for key, value in moved.items() if key in without}}

    def weight(self, end: UnitWeights) -> Tensor:
        """The tensor in which the weights lie, without gradient."""
        return weight_of(self.model, end.use)


def _smallest(weight: Tensor) -> float:
    """`ACTIVATION_EPSILON`, or the rounding error of a finer type."""
    return min(ACTIVATION_EPSILON, torch.finfo(weight.dtype).eps)
