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
MAX_PASSES = 31
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Triplets:
    """`matrix ~ sum_i values[i] left[i] (outer) right[i]`, values descending, unit rows, in float32 or better.

    `activity` is the mean, over the data, of the output of a unit whose incoming weights are `right[i]`.
    """

    values: Float[Tensor, " k"]
    left: Float[Tensor, "k rows"]
    right: Float[Tensor, "k cols"]
    activity: Float[Tensor, " k"] | None = None

    def with_oriented_signs(self) -> Triplets:
        """The same with signs such that a step down the gradient, along -right, makes each unit active on average.

        A pair of singular vectors may change sign together. Behind a ReLU the sign decides whether the first update
        leaves a unit active or inactive on most of the data, and inactive on all of it is dead: inputs that went
        through a ReLU themselves are never negative.
        """
        if self.activity is None:
            return self
        sign = torch.where(self.activity > 0, -1.0, 1.0)
        return Triplets(self.values, self.left * sign[:, None], self.right * sign[:, None], self.activity * sign)


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
    require_finite(matrix)
    m = matrix.double()
    wide = m.shape[0] <= m.shape[1]
    gram = m @ m.T if wide else m.T @ m
    _, vectors = torch.linalg.eigh(gram)
    small = vectors.flip(1).T[:k]
    values, large = _lift(small, m if wide else m.T, generator)
    left, right = (small, large) if wide else (large, small)
    return _complete(values, left, right, k, generator)


class BlockKrylov:
    """Randomised block Krylov iteration (Musco and Musco 2015), fed with one `LinearMap` per batch and pass.

    Passes alternate `W = M V` for the newest block of an orthonormal basis V, and `M' W`, whose part outside V is the
    next block. The best triplets within all of V are those of the small matrix `M V`; it ends when the sum of their
    squared values grows by less than `TOLERANCE`, relative, or the basis is complete.
    """

    def __init__(self, rows: int, cols: int, k: int, generator: torch.Generator, like: Tensor) -> None:
        block = min(k + OVERSAMPLING, cols)
        self.k, self.generator = k, generator
        self.done = False
        self._cols = cols
        start = torch.randn(block, cols, generator=generator).to(like)
        self._block = torch.linalg.qr(start.T).Q.T
        self._basis, self._images = self._block[:0], like.new_zeros(0, rows)
        self._forward = True
        self._sum: Tensor | None = None
        self._captured = 0.0
        self._passes = 0

    def update(self, matrix: LinearMap, weight: float) -> None:
        """Add one batch's share of the product that this pass computes."""
        product = matrix.times(self._block) if self._forward else matrix.transposed_times(self._block)
        product = product * weight
        self._sum = product if self._sum is None else self._sum + product

    def end_pass(self) -> None:
        """Enlarge the basis, or finish."""
        assert self._sum is not None
        product, self._sum = self._sum, None
        require_finite(product)
        self._passes += 1
        if not self._forward:
            self._block = self._outside(product)
            self.done = len(self._block) == 0
        else:
            self._basis = torch.cat([self._basis, self._block])
            self._images = torch.cat([self._images, product])
            captured = float((torch.linalg.svdvals(self._images.double())[: self.k] ** 2).sum())
            converged = captured <= self._captured * (1 + TOLERANCE)
            self.done = converged or len(self._basis) >= self._cols or self._passes >= MAX_PASSES
            self._captured = captured
            # Only the direction counts for the next block.
            self._block = product / product.norm().clamp_min(1e-30)
        self._forward = not self._forward

    def _outside(self, product: Tensor) -> Tensor:
        """An orthonormal basis of what lies outside the present one; empty where nothing does."""
        wide = product.double()
        basis = self._basis.double()
        room = self._cols - len(basis)
        for _ in range(2):
            wide = wide - (wide @ basis.T) @ basis
        _, values, right = torch.linalg.svd(wide, full_matrices=False)
        scale = float(product.double().norm())
        kept = right[: int((values > 1e-6 * scale).sum())][:room]
        block: Tensor = kept.to(product)
        return block

    def result(self) -> Triplets:
        """The triplets, once `done`."""
        right, values, left = torch.linalg.svd(self._images.double(), full_matrices=False)
        rows = right.T @ self._basis.double()
        return _complete(values[: self.k], left[: self.k], rows[: self.k], self.k, self.generator)


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


def require_finite(tensor: Tensor) -> None:
    """`GrowthFailed` if some entry is not finite."""
    if not bool(torch.isfinite(tensor).all()):
        raise GrowthFailed("the gradient statistics are not finite (NaN or infinity): the loss has diverged")
