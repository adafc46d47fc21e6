"""Leading singular triplets of a gradient matrix, dense or matrix-free, with canonical signs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from growsearch.errors import GrowthFailed

EXACT_SIDE = 512
OVERSAMPLING = 8
MAX_ITERATIONS = 30
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Triplets:
    """`matrix ~ sum_i values[i] left[i] (outer) right[i]`, values descending, unit rows, in float32 or better."""

    values: Float[Tensor, " k"]
    left: Float[Tensor, "k rows"]
    right: Float[Tensor, "k cols"]


@runtime_checkable
class LinearMap(Protocol):
    """A matrix known through its products; rows of the arguments are vectors."""

    rows: int
    cols: int

    def times(self, vectors: Float[Tensor, "r cols"]) -> Float[Tensor, "r rows"]: ...

    def transposed_times(self, vectors: Float[Tensor, "r rows"]) -> Float[Tensor, "r cols"]: ...


class Dense:
    """A dense matrix as a `LinearMap`."""

    def __init__(self, matrix: Float[Tensor, "rows cols"]) -> None:
        self.matrix = matrix
        self.rows, self.cols = matrix.shape

    def times(self, vectors: Float[Tensor, "r cols"]) -> Float[Tensor, "r rows"]:
        return vectors @ self.matrix.T

    def transposed_times(self, vectors: Float[Tensor, "r rows"]) -> Float[Tensor, "r cols"]:
        return vectors @ self.matrix


def exact(matrix: Float[Tensor, "rows cols"], k: int, generator: torch.Generator) -> Triplets:
    """The `k` leading triplets through the Gram matrix of the smaller side, in float64.

    Directions beyond the rank are orthonormal to the others with value 0, and beyond `min(rows, cols)` random.
    """
    _require_finite(matrix)
    m = matrix.double()
    wide = m.shape[0] <= m.shape[1]
    gram = m @ m.T if wide else m.T @ m
    _, vectors = torch.linalg.eigh(gram)
    small = vectors.flip(1).T[:k]
    values, large = _lift(small, m if wide else m.T, generator)
    left, right = (small, large) if wide else (large, small)
    return _complete(values, left, right, k, generator)


class SubspaceIteration:
    """Randomised block power iteration (Halko et al. 2011), fed with one `LinearMap` per batch and pass.

    Passes alternate `y = M v` and `v = M' q`; the iteration ends when the captured sum of squared values no longer
    changes by more than `TOLERANCE`, relative.
    """

    def __init__(self, rows: int, cols: int, k: int, generator: torch.Generator, like: Tensor) -> None:
        block = min(k + OVERSAMPLING, rows, cols)
        self.k, self.generator = k, generator
        self.done = False
        start = torch.randn(block, cols, generator=generator).to(like)
        self._basis = torch.linalg.qr(start.T).Q.T
        self._forward = True
        self._sum: Tensor | None = None
        self._captured = 0.0
        self._passes = 0
        self._triplets: Triplets | None = None

    def update(self, matrix: LinearMap, weight: float) -> None:
        """Add one batch's share of the product that this pass computes."""
        product = matrix.times(self._basis) if self._forward else matrix.transposed_times(self._basis)
        product = product * weight
        self._sum = product if self._sum is None else self._sum + product

    def end_pass(self) -> None:
        """Orthonormalise and turn round, or finish."""
        assert self._sum is not None
        product, self._sum = self._sum, None
        _require_finite(product)
        self._passes += 1
        captured = float(product.double().square().sum())
        if not self._forward and (self._converged(captured) or self._passes >= MAX_ITERATIONS):
            self._finish(product)
            return
        self._captured = captured if not self._forward else self._captured
        self._basis = torch.linalg.qr(product.T).Q.T
        self._forward = not self._forward

    def _converged(self, captured: float) -> bool:
        return captured <= self._captured * (1 + TOLERANCE) or captured == 0.0

    def _finish(self, product: Tensor) -> None:
        left, values, right = torch.linalg.svd(product.double(), full_matrices=False)
        rows = left.T @ self._basis.double()
        self._triplets = _complete(values[: self.k], rows[: self.k], right[: self.k], self.k, self.generator)
        self.done = True

    def result(self) -> Triplets:
        """The triplets, once `done`."""
        assert self._triplets is not None
        return self._triplets


def _lift(small: Tensor, matrix: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Values and the other side's unit vectors from one side's; directions of no value get random unit vectors."""
    product = small @ matrix
    values = product.norm(dim=1)
    floor = float(values.max()) * 1e-7
    large = product / values.clamp_min(1e-300)[:, None]
    for i in (values <= floor).nonzero().flatten().tolist():
        values[i] = 0.0
        large[i] = _orthogonal_to(large[:i], large[i], generator)
    return values, large


def _orthogonal_to(others: Tensor, like: Tensor, generator: torch.Generator) -> Tensor:
    vector = torch.randn(like.shape, generator=generator, dtype=torch.float64).to(like.device)
    if len(others) < len(vector):
        vector = vector - others.T @ (others @ vector)
    unit: Tensor = vector / vector.norm()
    return unit


def _complete(values: Tensor, left: Tensor, right: Tensor, k: int, generator: torch.Generator) -> Triplets:
    """Exactly `k` triplets with canonical signs: the largest entry of each left vector is positive."""
    while len(values) < k:
        values = torch.cat([values, values.new_zeros(1)])
        left = torch.cat([left, _orthogonal_to(left, left[0], generator)[None]])
        right = torch.cat([right, _orthogonal_to(right, right[0], generator)[None]])
    peak = left.gather(1, left.abs().argmax(dim=1, keepdim=True))
    sign = torch.where(peak < 0, -1.0, 1.0)
    return Triplets(values.float(), (left * sign).float(), (right * sign).float())


def _require_finite(tensor: Tensor) -> None:
    if not bool(torch.isfinite(tensor).all()):
        raise GrowthFailed("the gradient statistics are not finite (NaN or infinity): the loss has diverged")
