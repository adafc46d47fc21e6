"""Candidates from directions: what initializers of new units share.

A new unit has weights on the way in (at the producers) and on the way out (at the consumers). To leave the network's
function as it is, one side starts at zero. With zero *incoming* weights every activation on the way must be 0 at 0,
and a ReLU, whose derivative at 0 is 0 in PyTorch, must see a value just above 0 to let the gradient through: the new
units get a bias of `NUDGE` (or, without any bias, incoming weights of that relative size). With zero *outgoing*
weights neither matters. Behind batch normalisation a channel that is 0 has variance 0, and gradients through it are
1 / sqrt(eps) times too large. And behind a ReLU the first noisy updates may push a unit that starts at 0 below 0 on all
of the data, where it is dead. In both cases the outgoing side is zero by default.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from growsearch.errors import GrowthRefused
from growsearch.graph import NetworkGraph, Site
from growsearch.growth.candidate import Candidate, FillKey
from growsearch.growth.statistics.endpoints import Endpoint, consumers, distinct, lanes, producers
from growsearch.growth.statistics.filters import delta_filters
from growsearch.growth.statistics.transport import Transport
from growsearch.growth.trainable import named_weights, require_trained, trains

Side = Literal["auto", "incoming", "outgoing"]
NUDGE = 1e-7


class SiteEnds:
    """Producers and consumers of a site, lane by lane, with the means to turn vectors into new units.

    `trainable` are the names of the parameters that train; None: all.
    """

    def __init__(
        self, model: nn.Module, graph: NetworkGraph, site: Site, trainable: frozenset[str] | None = None
    ) -> None:
        require_trained(site, trainable)
        self.model, self.site, self._trainable = model, site, trainable
        self.transport = Transport(graph, model, site)
        self.producers = [distinct(producers(graph, model, site, lane)) for lane in range(lanes(site))]
        self.consumers = [distinct(consumers(graph, model, site, lane)) for lane in range(lanes(site))]

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
            self.transport.check_silent_start()
        except GrowthRefused as error:
            raise GrowthRefused(
                f"site {self.site.name!r}: {named_weights(self.site, 'in')} is not trained, so new units could learn "
                f"only with zero incoming weights; but {error}"
            ) from None
        return "incoming"

    def _preserving(self, side: Side) -> Literal["incoming", "outgoing"]:
        """The side that is asked for, or the one that leaves the function as it is."""
        if side == "outgoing" or (side == "auto" and (self.transport.normalised or self.transport.one_sided)):
            return "outgoing"
        try:
            self.transport.check_silent_start()
        except GrowthRefused:
            if side == "incoming":
                raise
            return "outgoing"
        return "incoming" if side == "incoming" or self.transport.known else "outgoing"

    def mean_norm(self, end: Literal["incoming", "outgoing"], lane: int) -> float:
        """Mean norm of the existing units' weights on one side, all its layers together.

        Where they are all zero, the norm that PyTorch's own initialisation would give.
        """
        ends = (self.producers if end == "incoming" else self.consumers)[lane]
        weights = torch.cat([self._existing(e) for e in ends], 1)
        norm = float(weights.double().norm(dim=1).mean())
        return norm if norm > 0 else sum(e.size * default_bound(self.weight(e)) ** 2 / 3 for e in ends) ** 0.5

    def candidates(
        self,
        zero: Literal["incoming", "outgoing"],
        vectors: Sequence[Tensor],
        scores: Sequence[float] | None = None,
        descent: Sequence[Tensor] | None = None,
    ) -> list[Candidate]:
        """Candidates whose non-zero side is given: per lane one tensor `[units, length of that side]`.

        `descent` gives, per lane, directions for the incoming side, used where a nudge is needed and no layer on the
        way has a bias to carry it.
        """
        moving = self.producers if zero == "outgoing" else self.consumers
        count = len(vectors[0])
        fills = {**self._common_fills(), **self._fills(moving, vectors)}
        if zero == "incoming":
            fills.update(self._nudge(descent))
        return [
            Candidate(
                site=self.site.name,
                index=i,
                parameters=self.site.parameters_per_unit,
                flops=self.site.flops_per_unit,
                fills={key: value[i] if value.shape[0] > 1 else value[0] for key, value in fills.items()},
                score=None if scores is None else scores[i],
            )
            for i in range(count)
        ]

    def fills(self, end: Literal["incoming", "outgoing"], vectors: Sequence[Tensor]) -> dict[FillKey, Tensor]:
        """Fills `[units, *fill of one unit]` of one side from per lane `[units, length]`; differentiable."""
        return self._fills(self.producers if end == "incoming" else self.consumers, vectors)

    def length(self, end: Literal["incoming", "outgoing"], lane: int) -> int:
        """Number of weights of one unit on one side."""
        return sum(e.size for e in (self.producers if end == "incoming" else self.consumers)[lane])

    def random_incoming(self, count: int, generator: torch.Generator) -> list[Tensor]:
        """Per lane, `count` random unit directions of the incoming side: `descent` where there is no better one."""
        return [random_directions(count, self.length("incoming", i), generator) for i in range(len(self.producers))]

    def _fills(self, by_lane: Sequence[Sequence[Endpoint]], vectors: Sequence[Tensor]) -> dict[FillKey, Tensor]:
        """Fills `[units, *fill of one unit]` from the lanes' vectors `[units, length]`."""
        fills: dict[FillKey, Tensor] = {}
        for ends, rows in zip(by_lane, vectors, strict=True):
            for end, piece in zip(ends, torch.split(rows, [e.size for e in ends], 1), strict=True):
                weight = self.weight(end)
                key = (end.use.tensor, end.use.axis)
                if key not in fills:
                    shape = list(weight.shape)
                    shape[end.use.axis] = sum(run.repeat for run in end.use.runs)
                    fills[key] = weight.new_zeros(len(rows), *shape)
                _place(fills[key], end, piece.reshape(-1, end.width, end.slots, *end.kernel).to(weight))
        return fills

    def _common_fills(self) -> dict[FillKey, Tensor]:
        """The same for all units, `[1, ...]`: depthwise filters pass their input on, free parameters are the mean."""
        fills: dict[FillKey, Tensor] = {}
        tensors = {
            **dict(self.model.named_parameters(remove_duplicate=False)),
            **dict(self.model.named_buffers(remove_duplicate=False)),
        }
        for use in self.site.axes:
            if use.role not in ("depthwise", "free") or not tensors[use.tensor].is_floating_point():
                continue
            tensor = tensors[use.tensor].detach()
            shape = list(tensor.shape)
            shape[use.axis] = sum(run.repeat for run in use.runs)
            if use.role == "free":
                fills[use.tensor, use.axis] = tensor.mean(use.axis, keepdim=True).expand(shape)[None].contiguous()
                continue
            fills[use.tensor, use.axis] = delta_filters(tensor, shape[0], shape[2:])[None]
        return fills

    def _nudge(self, descent: Sequence[Tensor] | None) -> dict[FillKey, Tensor]:
        """A value just above 0 at every producer, and behind every layer that would take it away again."""
        if not self.transport.kinked:
            return {}
        tensors = dict(self.model.named_parameters(remove_duplicate=False))
        fills = {
            (u.tensor, u.axis): tensors[u.tensor].new_full(
                (1, sum(r.repeat for r in u.runs)), _smallest(tensors[u.tensor])
            )
            for u in self.site.axes
            if u.role == "bias" or (u.role == "shift" and self.transport.normalised and u.tensor in tensors)
        }
        if descent is None or self.transport.normalised:
            return fills
        size = _smallest(self.weight(self.producers[0][0]))
        moved = self._fills(
            self.producers, [d * (size * self.mean_norm("incoming", lane)) for lane, d in enumerate(descent)]
        )
        without = {
            (end.use.tensor, end.use.axis)
            for ends in self.producers
            for end in ends
            if self.model.get_submodule(end.module).bias is None
        }
        return {**fills, **{key: value for key, value in moved.items() if key in without}}

    def _existing(self, end: Endpoint) -> Tensor:
        """Weights `[units, size]` of the existing units, laid out like the vectors of new ones."""
        weight = self.weight(end).movedim(end.use.axis, 0)
        weight = weight[:, _far(end, weight.shape[1])]
        index = torch.tensor(_positions(end, self.site.units), device=weight.device)
        return weight[index].transpose(1, 2).flatten(1)

    def weight(self, end: Endpoint) -> Tensor:
        """The layer's weight, without gradient."""
        weight = self.model.get_submodule(end.module).weight
        assert isinstance(weight, Tensor)
        return weight.detach()


def _positions(end: Endpoint, units: int) -> list[list[int]]:
    """Per existing unit, its positions along the weight's axis."""
    runs = end.use.runs if end.lanes == 1 or len(end.use.runs) == 1 else (end.use.runs[end.lane],)
    return [[run.offset + u * run.repeat + r for run in runs for r in range(run.repeat)] for u in range(units)]


def _place(fill: Tensor, end: Endpoint, values: Tensor) -> None:
    """Write the units' `values` `[units, far channels, slots, *kernel]` into their fills."""
    moved = fill.movedim(end.use.axis + 1, 1)
    slot = slice(None) if end.lanes == 1 else slice(end.lane, end.lane + 1) if len(end.use.runs) > 1 else slice(0, 1)
    moved[:, slot, _far(end, moved.shape[2])] = values.transpose(1, 2)


def _far(end: Endpoint, size: int) -> slice:
    """The lane's channels on the weight's other axis: a grouped layer's weight holds those of its group only."""
    return slice(None) if size == end.width else end.channels


def _smallest(weight: Tensor) -> float:
    """`NUDGE`, or the rounding error of a finer type."""
    return min(NUDGE, torch.finfo(weight.dtype).eps)


def default_bound(weight: Tensor) -> float:
    """Bound of the uniform distribution with which PyTorch's linear and convolution layers start: 1 / sqrt(fan in)."""
    return float(weight[0].numel() ** -0.5)


def random_directions(count: int, length: int, generator: torch.Generator, positive: bool = False) -> Tensor:
    """Unit vectors `[count, length]`: Gaussian directions, or (positive) normalised uniform draws from [0, 1)."""
    draw = torch.rand if positive else torch.randn
    vectors = draw(count, length, generator=generator)
    unit: Tensor = vectors / vectors.norm(dim=1, keepdim=True).clamp_min(1e-12)
    return unit
