"""A strategy's functions at the trained numbers, site by site."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from growsearch.growth.soft.learned import Learned
from growsearch.growth.soft.strategy import SoftSize


class Sizes:
    """The sizes of some sites as they are now; everything is differentiable in `learned`.

    `units` are those that each site had in the seed network; `like` gives dtype and device.
    """

    def __init__(self, soft: SoftSize, learned: Learned, units: Mapping[str, int], like: Tensor) -> None:
        self.soft, self.learned = soft, learned
        self._like = like
        self.start_from(units)

    def start_from(self, units: Mapping[str, int]) -> None:
        """Count targets from these units of the seed network."""
        self.seed_units = dict(units)
        self._indices = {name: index for index, name in enumerate(units)}
        self._limit = self.soft.limit(self._like.new_tensor(list(units.values())))

    def real(self) -> dict[str, float]:
        """Real number of units that are on, by site."""
        with torch.no_grad():
            found = self.soft.size(self.learned(), self._limit).tolist()
        return dict(zip(self.seed_units, found, strict=True))

    def gates(self, site: str, units: int, most: int) -> Tensor:
        """Factors `[units]` of a site's units; those behind the first `most` are 0."""
        index = self._indices[site]
        factors = self.soft.gates(self.learned()[index], self._limit[index], min(units, most))
        return nn.functional.pad(factors, (0, units - len(factors)))

    def entry(self, site: str) -> Tensor:
        """What the size adds to the site's biases, one value for each of their positions."""
        index = self._indices[site]
        return self.learned.weight(site) * self.soft.signal(self.learned()[index], self._limit[index])

    def penalty(self) -> Tensor:
        """The size loss of all sites."""
        return self.soft.penalty(self.learned(), self._limit).sum()

    def missing(self, allocated: Mapping[str, int]) -> dict[str, int]:
        """How many units each site lacks whose size is within one unit of those that are allocated.

        The pool doubles as often as it has to, up to the strategy's room.
        """
        missing = {}
        for (name, size), limit in zip(self.real().items(), self._limit.tolist(), strict=True):
            room = self.soft.room(self.seed_units[name], limit)
            wanted = allocated[name]
            while wanted < min(size + 1, room):
                wanted = min(2 * wanted, room)
            if wanted > allocated[name]:
                missing[name] = wanted - allocated[name]
        return missing
