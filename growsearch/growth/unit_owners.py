"""Which unit of a site each position of an axis belongs to."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from growsearch.graph import Run


def unit_owners(runs: Sequence[Run], size: int, units: int) -> Tensor:
    """The unit `[size]` at each position of an axis, -1 where there is none of the site."""
    owner = torch.full((size,), -1, dtype=torch.long)
    for run in runs:
        owner[run.span(units)] = torch.arange(units).repeat_interleave(run.repeat)
    return owner
