"""New units with zero outgoing weights, moved uphill without a run of the network."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from growsearch.errors import GrowthRefused
from growsearch.graph import NetworkGraph, Site
from growsearch.growth import NewUnit, SiteEnds
from growsearch.growth.statistics.collect import ChannelProblem
from growsearch.growth.statistics.endpoints import unit_channels
from growsearch.growth.statistics.path_response import OutgoingGradient, PathResponse
from growsearch_strategies.gradmax.ascent import Ascent, orthonormal

RISE = 2e-4
"""Where a step of the power method lets the squared gradient norm rise by less, relative to it, there is no other."""


SAME = 1e-2
"""Squared gradient norms that differ by less, relative to the largest, are the same: those of half precision do."""


def can_run_alone(model: nn.Module, graph: NetworkGraph, site: Site) -> bool:
    """Whether a site's producers and consumers are layers that run alone, and all that lies between is known."""
    try:
        channels = range(unit_channels(site))
        problems = [ChannelProblem(model, graph, site, channel, 1, PathResponse) for channel in channels]
    except GrowthRefused:
        return False
    path = problems[0].path
    return all(path.handler(call) is not None for call in path.calls)


class LocalUnits:
    """The new units of one site: per channel their incoming weights `[units, length]`, all of one norm together.

    A step goes to the orthonormal units nearest to the slope, as long as the gradient norm rises: the power method,
    which is that of singular vectors on a linear path, and behind a ReLU is in ten steps where Adam is in a hundred.
    Where the norm falls Adam goes on from the best units, and behind batch normalisation, to which the size of a unit
    is nothing, it takes all steps.
    """

    def __init__(self, ends: SiteEnds, vectors: Sequence[Tensor], radius: float) -> None:
        self.name, self._ends, self._radius = ends.site.name, ends, radius
        self._lengths = [v.shape[1] for v in vectors]
        weight = ends.weight(ends.producers[0][0])
        self._rows = torch.cat(list(vectors), 1).to(weight) / radius
        self._ascent = Ascent(self._rows)
        self._best, self._gain = (self._rows, self._rows), 0.0
        self._by_power = self.by_power()
        self.done = False
        """Whether the units have come as far as they come."""

    def agree(self, gradients: Sequence[OutgoingGradient], gains: Tensor) -> bool:
        """Whether the squared gradient norms `[units]` are `gains`, those in the network."""
        try:
            own = self._gains(gradients)
        except (GrowthRefused, RuntimeError):  # what lies between does not run on single channels
            return False
        return bool(((own - gains).abs() <= SAME * gains.max()).all())

    def by_power(self) -> bool:
        """Whether the power method begins."""
        return not self._ends.path.normalised

    def move(self, gradients: Sequence[OutgoingGradient], lr: float) -> None:
        """One step uphill.

        Args:
            gradients: at the outgoing weights, by channel.
            lr: length of a step of Adam, in norms of a unit.
        """
        found = [gradient.ascent(part) for gradient, part in zip(gradients, self._vectors(), strict=True)]
        slope, gain = torch.cat([slopes for _, slopes in found], 1), float(sum(gains.sum() for gains, _ in found))
        rise, self._gain = gain - self._gain, max(gain, self._gain)
        if rise > 0:
            self._best = (self._rows, slope)
        if self._by_power and rise <= RISE * self._gain:
            self.done = rise > -RISE * self._gain or self._gain == 0.0
            self._by_power = False
            self._rows, slope = self._best
        powered = _orthonormal(slope) if self._by_power else None
        self._rows = self._ascent.step(self._rows, slope, lr) if powered is None else powered

    def candidates(self, gradients: Sequence[OutgoingGradient]) -> list[NewUnit]:
        """The best units, largest gradient first."""
        if float(self._gains(gradients).sum()) < self._gain:
            self._rows = self._best[0]
        gains, order = self._gains(gradients).sort(descending=True, stable=True)
        vectors = self._vectors()
        return self._ends.candidates("outgoing", [v[order] for v in vectors], scores=gains.sqrt().tolist())

    def _gains(self, gradients: Sequence[OutgoingGradient]) -> Tensor:
        """The squared gradient norms `[units]`."""
        parts = zip(gradients, self._vectors(), strict=True)
        return torch.stack([gradient(part).square().sum(1) for gradient, part in parts]).sum(0)

    def _vectors(self) -> tuple[Tensor, ...]:
        return torch.split(self._rows * self._radius, self._lengths, 1)


def _orthonormal(slope: Tensor) -> Tensor | None:
    """The orthonormal rows nearest to a slope of any size; None where it does not tell all of them."""
    size = slope.abs().amax(1, keepdim=True)
    if not bool((size > 0).all()):
        return None
    return orthonormal(slope / size.max())
