"""GradMax: new units whose gradient is as large as possible."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from growsearch.graph import NetworkGraph, Site
from growsearch.growth import Candidate, GrowthContext, Initializer, Need, NewUnit, Side, SiteEnds
from growsearch.growth.statistics.collect import ChannelProblem
from growsearch.growth.statistics.decompose import Triplets
from growsearch.growth.statistics.endpoints import unit_channels
from growsearch.growth.statistics.path_jacobian import PathJacobian
from growsearch.growth.statistics.path_response import OutgoingGradients, PathResponse
from growsearch_strategies.gradmax.refinement import refined

End = Literal["incoming", "outgoing"]


class GradMax(Initializer):
    """Maximise the gradient norm at the new units' zero side under equal-norm, orthogonal weights on the other side.

    With zero incoming weights the gradient there is `W_out' M`, `M` the second derivative of the loss by the two
    sides, so the optimum is `c` times the leading left singular vectors of M, and the squared norm `c^2 sum sigma_i^2`
    (equation 11 of the paper). M is exact for linear and convolution layers at every stride, padding and dilation,
    several producers and consumers stacked, and the path's derivative at zero included.

    Singular vectors have no sign of their own, but behind a ReLU the sign decides whether a unit's first update makes
    it active or inactive, for good where its inputs are never negative. `orient_signs` chooses the former.

    With zero outgoing weights, the default behind batch normalisation and ReLU, the gradient is a function of the
    incoming weights. Where the path is linear, the leading right singular vectors are its optimum. Elsewhere
    there is no closed form, and behind normalisation singular vectors are little better than random directions. There
    the units are found by a short projected ascent from several random starts, through the path as it is. It
    costs a fraction of a training step for each of its steps: only the new channels are computed, not the network.

    The paper's experiments use `side: incoming` and `scale: 0.5`; at the outgoing side so large a gradient can make
    training diverge.
    """

    summary: ClassVar[str] = "the largest gradient at the new units: singular vectors, or a short ascent"
    why: ClassVar[str] = "the loss falls fastest right after growing"
    source: ClassVar[str] = "Evci et al. 2022, GradMax: Growing Neural Networks using Gradient Information, eq. 9-11"
    usual: ClassVar[tuple[str, str]] = ("schedule", "round_robin")
    preserves: ClassVar[str] = "the function (to 1e-7 behind ReLU)"
    needs: ClassVar[frozenset[Need]] = frozenset({"gradient_matrix"})

    scale: float = Field(0.25, gt=0, description="norm of a new unit's non-zero side")
    norm: Literal["relative", "fixed"] = Field(
        "relative", description="relative: in mean norms of the existing units; fixed: as it is"
    )
    side: Side = Field(
        "auto", description="which weights start at zero; auto: outgoing behind batch normalisation and ReLU"
    )

    orient_signs: bool = Field(
        True, description="signs that make new units active on average after their first update; false: arbitrary ones"
    )

    refine: int = Field(
        20, ge=0, description="steps of ascent where zero outgoing weights have no closed form; 0: singular vectors"
    )

    def require(
        self, model: nn.Module, graph: NetworkGraph, site: Site, trainable: frozenset[str] | None = None
    ) -> None:
        zero = SiteEnds(model, graph, site, trainable).zero_side(self.side)
        path = PathResponse(graph, model, site)
        bent = self.refine and zero == "outgoing" and not path.linear
        for channel in range(unit_channels(site)):
            ChannelProblem(model, graph, site, channel, 1, PathResponse if bent else PathJacobian)

    def propose(self, plan: Mapping[str, int], context: GrowthContext) -> list[Candidate]:
        plan = {name: units for name, units in plan.items() if units}
        ends = {name: SiteEnds(context.model, context.graph, context.sites[name], context.trainable) for name in plan}
        zero = {name: one.zero_side(self.side) for name, one in ends.items()}
        norms = {name: self._norms(one, zero[name]) for name, one in ends.items()}
        bent = [name for name in plan if self.refine and zero[name] == "outgoing" and not _linear(context, name)]
        shapes = {n: [(plan[n], ends[n].length("incoming", channel)) for channel in range(len(norms[n]))] for n in bent}
        found = self._refined(shapes, norms, context)
        triplets = context.triplets({name: units for name, units in plan.items() if name not in found})
        return [
            candidate
            for name in plan
            for candidate in (
                _candidates(ends[name], found[name], norms[name])
                if name in found
                else self._closed_form(ends[name], zero[name], triplets[name], norms[name], plan[name])
            )
        ]

    def _norms(self, ends: SiteEnds, zero: End) -> list[float]:
        """Per channel, the norm of a unit's non-zero side."""
        other: End = "incoming" if zero == "outgoing" else "outgoing"
        channels = range(len(ends.producers))
        return [
            self.scale * (ends.mean_norm(other, channel) if self.norm == "relative" else 1.0) for channel in channels
        ]

    def _refined(
        self, shapes: Mapping[str, list[tuple[int, int]]], norms: Mapping[str, list[float]], context: GrowthContext
    ) -> dict[str, list[tuple[Tensor, Tensor]]]:
        if not shapes:
            return {}
        objective, batches = context.needed("gradients")
        gradients = OutgoingGradients(context.model, context.graph, list(shapes), objective)
        return refined(gradients, batches, shapes, norms, self.refine, context.generator)

    def _closed_form(
        self, ends: SiteEnds, zero: End, channels: list[Triplets], norms: list[float], units: int
    ) -> list[NewUnit]:
        if self.orient_signs and ends.path.one_sided:
            channels = [t.with_oriented_signs() for t in channels]
        # Gradient descent moves the incoming weights along -u M = -sigma v: that is where active units lie.
        vectors = [
            (-t.right if zero == "outgoing" else t.left)[:units] * c for t, c in zip(channels, norms, strict=True)
        ]
        gains = [
            float(sum((c * t.values[i]) ** 2 for t, c in zip(channels, norms, strict=True))) ** 0.5
            for i in range(units)
        ]
        descent = [-t.right[:units] for t in channels]
        return ends.candidates(zero, vectors, scores=gains, descent=descent)


def _linear(context: GrowthContext, name: str) -> bool:
    return PathResponse(context.graph, context.model, context.sites[name]).linear


def _candidates(ends: SiteEnds, channels: list[tuple[Tensor, Tensor]], norms: list[float]) -> list[NewUnit]:
    vectors = [rows * norm for (rows, _), norm in zip(channels, norms, strict=True)]
    scores = torch.stack([gains for _, gains in channels]).sum(0).sqrt().tolist()
    return ends.candidates("outgoing", vectors, scores=scores)
