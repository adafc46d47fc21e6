"""The expressivity bottleneck of a site, as a request: what new units there would add to the layers that read it.

`x` are the patches that the producers read, `h` those of a consumer Q, `g` the loss gradient of a sample at Q's output.
The best change of Q's output by Q's own weights is -dW h, with M = E[h g'], S = E[h h'], dW = (S^-1 M)'. What is left
of the desired change is -(g - dW h). New units contribute alpha' x times their outgoing weights, to first order; with
N = -E[x g'] + E[x h'] dW' and the singular values E[x x']^(-1/2) N = sum_k s_k u_k v_k', the best of them are
alpha_k = sqrt(s_k) E[x x']^(-1/2) u_k and omega_k = sqrt(s_k) v_k (Verbockhaven et al. 2024, propositions 3.1 and 3.2).

E is the mean over samples and the sum over positions. N is the gradient matrix of GradMax with g - dW h in the place of
g, so it holds for convolutions of any geometry, several consumers and what lies between. Producers are whitened one by
one. Where batch normalisation is on the way, the mean of x does not count.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from growsearch.errors import GrowthRefused
from growsearch.graph import NetworkGraph
from growsearch.growth.statistics.capture import Capture
from growsearch.growth.statistics.collect import ChannelProblem
from growsearch.growth.statistics.decompose import require_finite
from growsearch.growth.statistics.endpoints import Endpoint, apply_layer, distinct, layer_weight_gradient, unit_channels
from growsearch.growth.statistics.sweep import Answer, Request
from growsearch_strategies.tiny.patches import inverse, patches

LARGEST = 5120
"""Longest patch whose second moment is built."""


@dataclass(frozen=True)
class Bottleneck:
    """What a site lacks: `values` s_k, descending, with unit vectors `outgoing` v_k and whitened `incoming` ones.

    `within` is tr(M dW): what the consumers' own best changes do; `slope` is the derivative of the activations at 0.
    A change of loss is to first order `-within` for these, `slope` times `s_k^2` for the k-th new unit, where the
    consumers' own changes are made too.
    """

    values: Float[Tensor, " k"]
    incoming: Float[Tensor, "k cols"]
    outgoing: Float[Tensor, "k rows"]
    within: float
    slope: float

    def gain(self, units: int) -> float:
        """The first-order fall of the loss by the consumers' own changes and so many units: the paper's score."""
        return self.within + self.slope * float(self.values[:units].double().square().sum())


@dataclass(frozen=True)
class ExpressivityBottleneck(Request[Bottleneck]):
    """See the module; it takes two passes over the batches."""

    site: str

    def start(self, model: nn.Module, graph: NetworkGraph) -> Answer[Bottleneck]:
        """Begin; raises `GrowthRefused` where the site has no gradient matrix, or layers too wide for this."""
        return _Answer(model, require_bottleneck(model, graph, self.site))


def require_bottleneck(model: nn.Module, graph: NetworkGraph, name: str) -> ChannelProblem:
    """The problem of a site; `GrowthRefused` where it has no bottleneck that could be found."""
    site = graph.sites[name]
    if unit_channels(site) > 1:
        raise GrowthRefused(f"site {name!r}: a unit is several channels of grouped layers; use how: gradmax or zero")
    problem = ChannelProblem(model, graph, site, 0, 1)
    for end in (*problem.producers, *problem.consumers):
        size = model.get_submodule(end.module).get_parameter("weight")[0].numel()
        if size > LARGEST:
            raise GrowthRefused(
                f"site {name!r}: {end.module!r} reads {size} numbers for each output, and second moments are built of "
                f"at most {LARGEST}; use how: gradmax"
            )
    if not math.prod(problem.path.slopes.values()):
        raise GrowthRefused(f"site {name!r}: its activation is flat at 0; use how: zero or gradmax_opt")
    return problem


class _Answer(Answer[Bottleneck]):
    def __init__(self, model: nn.Module, problem: ChannelProblem) -> None:
        super().__init__()
        self._model, self._problem = model, problem
        self._firsts = {end.module for end in problem.producers}
        self._seconds = {end.module for end in problem.consumers}
        self.inputs_of = frozenset(self._firsts | self._seconds)
        self.gradients_of = frozenset(self._seconds)
        self._moments: dict[str, Tensor] = {}
        self._means: dict[str, Tensor] = {}
        self._gradients: dict[str, Tensor] = {}
        self._changes: dict[str, Tensor] | None = None
        self._matrix: Tensor | None = None

    def add(self, seen: Capture, weight: float, generator: torch.Generator) -> None:
        if self._changes is None:
            for path in sorted(self._firsts | self._seconds):
                self._observe(path, seen, weight)
            return
        residual = replace(seen, gradients={**seen.gradients, **self._residuals(seen, self._changes)})
        for operator in self._problem.operators(residual):
            part = -operator.dense() * weight
            self._matrix = part if self._matrix is None else self._matrix + part

    def end_pass(self, generator: torch.Generator) -> None:
        if self._changes is None:
            self._changes = {}
            for path, gradient in self._gradients.items():
                flat = gradient.flatten(1).double()
                self._changes[path] = (flat @ inverse(self._moments[path], -1.0)).reshape(gradient.shape).to(gradient)
            return
        assert self._matrix is not None
        self.result = self._solved(self._matrix, self._changes)

    def _observe(self, path: str, seen: Capture, weight: float) -> None:
        """Second moments of what a layer reads, and for consumers the weight gradient."""
        layer = self._model.get_submodule(path)
        for key, x in seen.inputs.items():
            if key[0] != path:
                continue
            rows = patches(layer, x)
            share = weight / len(x)
            self._moments[path] = self._moments.get(path, 0.0) + rows.T @ rows * share
            mean = torch.cat([rows.sum(0), rows.new_tensor([float(len(rows))])]) * share
            self._means[path] = self._means.get(path, 0.0) + mean
            if path in self._seconds and key in seen.gradients:
                # The objective is a mean over the samples: its gradient is their mean already.
                own = layer_weight_gradient(layer, _wide(x), _wide(seen.gradients[key])) * weight
                self._gradients[path] = self._gradients[path] + own if path in self._gradients else own

    def _residuals(self, seen: Capture, changes: dict[str, Tensor]) -> dict[tuple[str, int], Tensor]:
        """By call, the gradients less what the consumer's own best change does, each sample's over their number."""
        found = {}
        for key, gradient in seen.gradients.items():
            if key[0] in changes:
                x = _wide(seen.inputs[key])
                expressed = apply_layer(self._model.get_submodule(key[0]), x, changes[key[0]])
                found[key] = _wide(gradient) - expressed / len(x)
        return found

    def _solved(self, matrix: Tensor, changes: dict[str, Tensor]) -> Bottleneck:
        require_finite(matrix)
        slope = math.prod(self._problem.path.slopes.values())
        ends = distinct(self._problem.producers)
        parts = torch.split(matrix.double() / slope, [end.size for end in ends], 1)
        roots = [self._root(end) for end in ends]
        whitened = torch.cat([part @ root for part, root in zip(parts, roots, strict=True)], 1)
        left, values, right = torch.linalg.svd(whitened, full_matrices=False)
        peak = left.gather(0, left.abs().argmax(0, keepdim=True))[0]
        sign = torch.where(peak < 0, -1.0, 1.0).double()
        pieces = torch.split(right * sign[:, None], [end.size for end in ends], 1)
        incoming = torch.cat([piece @ root for piece, root in zip(pieces, roots, strict=True)], 1)
        return Bottleneck(values, incoming, left.T * sign[:, None], _inner(changes, self._gradients), slope)

    def _root(self, end: Endpoint) -> Tensor:
        moment = self._moments[end.module].double()
        if self._problem.path.normalised:
            total = self._means[end.module].double()
            moment = moment - torch.outer(total[:-1], total[:-1]) / total[-1]
        return inverse(moment, -0.5)


def _inner(changes: dict[str, Tensor], gradients: dict[str, Tensor]) -> float:
    """tr(M dW), all consumers together."""
    pairs: Iterable[tuple[Tensor, Tensor]] = ((changes[path], gradients[path]) for path in changes)
    return sum(float((change.double() * gradient.double()).sum()) for change, gradient in pairs)


def _wide(value: Tensor) -> Tensor:
    value = value.detach()
    return value.float() if value.dtype.itemsize < 4 else value
