"""GradMax: new units whose gradient is as large as possible."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from growsearch.growth import Candidate, GrowthContext, Initializer, Need, Side, SiteEnds


class GradMax(Initializer):
    """Maximise the gradient norm at the new units' zero side under equal-norm, orthogonal weights on the other side.

    With zero incoming weights the gradient there is `W_out' M`, `M` the second derivative of the loss by the two
    sides, so the optimum is `c` times the leading left singular vectors of M, and the squared norm `c^2 sum sigma_i^2`
    (equation 11 of the paper). M is exact for linear and convolution layers at every stride, padding and dilation,
    several producers and consumers stacked, and the followers' derivative at zero included.

    Singular vectors have no sign of their own, but behind a ReLU the sign decides whether a unit's first update makes
    it active or silences it, for good where its inputs are never negative. `awake` chooses the former.

    With zero outgoing weights, the default behind batch normalisation and ReLU, the incoming weights are the leading
    right singular vectors: the optimum as far as the followers are linear. The paper's experiments use `side: incoming`
    and `scale: 0.5`; at the outgoing side so large a gradient can make training diverge.
    """

    summary: ClassVar[str] = "the largest gradient at the new units: singular vectors of the gradient matrix"
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

    awake: bool = Field(
        True, description="signs that make new units active on average after their first update; false: arbitrary ones"
    )

    def propose(self, plan: Mapping[str, int], context: GrowthContext) -> list[Candidate]:
        triplets = context.triplets(plan)
        candidates = []
        for name, lanes in triplets.items():
            ends = SiteEnds(context.model, context.graph, context.sites[name], context.trainable)
            zero = ends.zero_side(self.side)
            other: Literal["incoming", "outgoing"] = "incoming" if zero == "outgoing" else "outgoing"
            units = plan[name]
            scales = [
                self.scale * (ends.mean_norm(other, lane) if self.norm == "relative" else 1.0)
                for lane in range(len(lanes))
            ]
            if self.awake and ends.transport.one_sided:
                lanes = [t.awake() for t in lanes]
            # Gradient descent moves the incoming weights along -u M = -sigma v: that is where active units lie.
            vectors = [
                (-t.right if zero == "outgoing" else t.left)[:units] * c for t, c in zip(lanes, scales, strict=True)
            ]
            gains = [
                float(sum((c * t.values[i]) ** 2 for t, c in zip(lanes, scales, strict=True))) ** 0.5
                for i in range(units)
            ]
            descent = [-t.right[:units] for t in lanes]
            candidates += ends.candidates(zero, vectors, scores=gains, descent=descent)
        return candidates
