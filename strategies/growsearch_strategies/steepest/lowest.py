"""The lowest eigenpair of many symmetric matrices at once, known through their products."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

Products = Callable[[Float[Tensor, "matrices d"]], Float[Tensor, "matrices d"]]
Pairs = tuple[Float[Tensor, " matrices"], Float[Tensor, "matrices d"]]


def by_eigh(products: Products, start: Float[Tensor, "matrices d"]) -> Pairs:
    """The lowest eigenvalues and unit vectors of the whole matrices, of which each product gives a column."""
    size = start.shape[1]
    columns = [products(torch.eye(size).to(start)[j].expand_as(start)) for j in range(size)]
    matrices = torch.stack(columns, 2).double()
    values, vectors = torch.linalg.eigh((matrices + matrices.mT) / 2)
    return values[:, 0], _canonical(vectors[:, :, 0])


def by_lanczos(products: Products, start: Float[Tensor, "matrices d"], steps: int) -> Pairs:
    """The lowest Ritz pairs in the Krylov spaces of `start`, one product a step, orthogonalised in full.

    The Ritz value is the Rayleigh quotient v'Sv of its vector; after d steps both are those of the matrix.
    """
    basis: list[Tensor] = []
    images: list[Tensor] = []
    following = start.double()
    for _ in range(min(steps, start.shape[1])):
        for _ in range(2):
            for known in basis:
                following = following - (following * known).sum(1, keepdim=True) * known
        norm = following.norm(dim=1, keepdim=True)
        # A space that is invariant ends: what follows is 0, and its Ritz values count as nothing.
        scale = images[-1].norm(dim=1, keepdim=True) if images else norm
        unit = torch.where(norm > 1e-10 * scale, following / norm.clamp_min(1e-300), torch.zeros_like(following))
        basis.append(unit)
        images.append(products(unit.to(start)).double())
        following = images[-1]
    space, image = torch.stack(basis, 1), torch.stack(images, 1)
    small = space @ image.mT
    # Directions of a space that has ended lie above all others.
    ended = 1.0 - space.square().sum(2)
    top = small.abs().amax((1, 2)) + 1.0
    values, vectors = torch.linalg.eigh(
        (small + small.mT) / 2 + torch.diag_embed(ended.clamp_min(0) * top[:, None] * 2)
    )
    return values[:, 0], _canonical((vectors[:, None, :, 0] @ space)[:, 0])


def _canonical(vectors: Tensor) -> Tensor:
    """Of norm 1, the largest entry positive."""
    peak = vectors.gather(1, vectors.abs().argmax(1, keepdim=True))
    signed = torch.where(peak < 0, -vectors, vectors)
    unit: Tensor = signed / signed.norm(dim=1, keepdim=True).clamp_min(1e-300)
    return unit
