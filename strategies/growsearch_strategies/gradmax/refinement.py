"""Incoming weights with the largest gradient at zero outgoing ones, through a path of any shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from growsearch.growth import random_directions
from growsearch.growth.statistics.path_response import OutgoingGradient, OutgoingGradients
from growsearch_strategies.gradmax.ascent import Ascent, orthonormal

LR = 0.3
"""Length of a step, in norms of a unit."""
STARTS, FIRST_STEPS = 4, 5
ALIKE = 0.5
"""Candidates with a larger cosine are on their way to the same optimum: one of them is enough."""


def refined(
    gradients: OutgoingGradients,
    batches: Sequence[Any],
    shapes: Mapping[str, Sequence[tuple[int, int]]],
    norms: Mapping[str, Sequence[float]],
    steps: int,
    generator: torch.Generator,
) -> dict[str, list[tuple[Float[Tensor, "units length"], Float[Tensor, " units"]]]]:
    """Per site and channel, unit incoming weights of `shapes` and their squared gradient norms, the largest first.

    Several sets of random units go uphill for a few steps on the first batch. The best units of all sets that are not
    alike go on together for `steps` more, shared out among the batches. All of it is projected ascent: units stay
    orthogonal and of the norm `norms`, for which the gradients are meant.

    Args:
        gradients: by site, the gradient as a function of the weights.
        batches: all that count.
        shapes: by site and channel, number and length of the weights.
        norms: by site and channel, of the weights.
        steps: of the ascent.
        generator: that starts are drawn from.
    """
    sites: dict[str, list[_Units]] = {}
    ranked: dict[str, list[tuple[Tensor, Tensor]]] = {}
    share = -(-steps // len(batches))
    for number, batch in enumerate(batches, 1):
        found = gradients.on(batch)
        # The first sites' units take most memory: they come when what the other sites need is gone.
        for name in reversed(list(shapes)):
            own = found.pop(name)
            if name not in sites:
                sites[name] = [
                    _Units(_best_start(g, shape, norm, generator), norm)
                    for g, shape, norm in zip(own, shapes[name], norms[name], strict=True)
                ]
            for units, gradient in zip(sites[name], own, strict=True):
                units.climb(gradient, share)
            if number == len(batches):
                ranked[name] = [units.ranked(gradient) for units, gradient in zip(sites[name], own, strict=True)]
            del own, gradient
    return {name: ranked[name] for name in shapes}


class _Units:
    """A set of units on its way."""

    def __init__(self, rows: Tensor, norm: float) -> None:
        self.rows, self._norm = rows, norm
        self._ascent = Ascent(rows)

    def climb(self, gradient: OutgoingGradient, steps: int) -> None:
        for _ in range(steps):
            _, slope = gradient.ascent(self.rows * self._norm)
            self.rows = self._ascent.step(self.rows, slope, LR)

    def gains(self, gradient: OutgoingGradient) -> Tensor:
        return gradient(self.rows * self._norm).square().sum(1)

    def ranked(self, gradient: OutgoingGradient) -> tuple[Tensor, Tensor]:
        gains, order = self.gains(gradient).sort(descending=True, stable=True)
        return self.rows[order], gains


def _best_start(gradient: OutgoingGradient, shape: tuple[int, int], norm: float, generator: torch.Generator) -> Tensor:
    count, length = shape
    drawn = [random_directions(count, length, generator).to(gradient.like) for _ in range(STARTS)]
    sets = [_Units(orthonormal(rows), norm) for rows in drawn]
    for units in sets:
        units.climb(gradient, FIRST_STEPS)
    pool = torch.cat([units.rows for units in sets])
    order = torch.cat([units.gains(gradient) for units in sets]).argsort(descending=True, stable=True)
    pool = pool[order]
    return orthonormal(pool[_unlike(pool, count)])


def _unlike(pool: Tensor, count: int) -> list[int]:
    """The first `count` rows that are not alike; where there are fewer, the first of the others too."""
    alike = (pool @ pool.T).abs() > ALIKE
    free = torch.ones(len(pool), dtype=torch.bool, device=pool.device)
    chosen: list[int] = []
    while len(chosen) < count and bool(free.any()):
        best = int(free.nonzero()[0])
        chosen.append(best)
        free &= ~alike[best]
        free[best] = False
    return (chosen + [i for i in range(len(pool)) if i not in chosen])[:count]
