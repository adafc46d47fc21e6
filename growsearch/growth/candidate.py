"""A candidate: one change of the network with the tensors that it would install; one type for each kind of change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from torch import Tensor

from growsearch.surgery import Insertion, MaskEdit

FillKey = tuple[str, int]


@dataclass(frozen=True)
class Candidate:
    """What all kinds of change have; `site` is where, `index` its rank among those of its kind at the site.

    `parameters` and `flops` are what it costs, negative where it frees them; `dormant` is by how many dormant
    connections there are more. `exact` tells that the network's function stays as it is; elsewhere `predicted_change`
    is by how much it is expected to change the objective. `effects` are, where known, what it does to the loss of
    single samples: two numbers each, first order and root of the curvature. `score` is the initializer's own estimate,
    larger is better.

    `gain` is how many units or layers it adds: -1 for a removal.
    """

    site: str
    index: int
    parameters: int
    flops: int
    dormant: int = field(default=0, kw_only=True)
    score: float | None = field(default=None, kw_only=True)
    exact: bool = field(default=True, kw_only=True)
    predicted_change: float | None = field(default=None, kw_only=True)
    effects: tuple[Tensor, Tensor] | None = field(default=None, repr=False, compare=False, kw_only=True)

    gain: ClassVar[int] = 1

    @property
    def adds(self) -> bool:
        """Whether it adds a unit or a layer."""
        return self.gain > 0

    @property
    def unit(self) -> int | None:
        """The existing unit that it changes: splits or removes."""
        return None

    @property
    def alone(self) -> bool:
        """Whether no other change of its unit fits beside it."""
        return False

    @property
    def layer_parameters(self) -> int:
        """Parameters of a layer that it inserts."""
        return 0


@dataclass(frozen=True)
class Rescaling:
    """What existing tensors are multiplied by as units join: powers of `s`, the root of units before over units after.

    `powers` holds, by name, a tensor as it is and its power of s; `eps` are normalisations, as (module, attribute,
    value), whose eps is multiplied by s squared.
    """

    powers: Mapping[str, tuple[Tensor, int]]
    eps: tuple[tuple[str, str, float], ...] = ()


@dataclass(frozen=True)
class NewUnit(Candidate):
    """A new unit: `fills` give, for `(tensor, axis)`, its values at its new positions on that axis (run after run).

    Where weights have masks, a unit that is `sparse` starts with its connections that hold 0 dormant. `twin` is the
    `index` of the unit at the same site that takes back what this one adds: without it, the unit's outgoing weights
    start at 0. `rescaling` is what its site's event does to existing tensors, the same for all units of the site.
    """

    fills: Mapping[FillKey, Tensor] = field(default_factory=dict)
    sparse: bool = False
    twin: int | None = None
    rescaling: Rescaling | None = None


@dataclass(frozen=True)
class Split(Candidate):
    """A copy of the unit `source`.

    `share` is its part of the outgoing weights before those of all copies are scaled to sum 1. Afterwards `shifts` are
    added to (the source, the copy), laid out as fills of a new unit, and before everything `offsets` to whole tensors.
    """

    source: int
    share: float = 1.0
    shifts: Mapping[FillKey, tuple[Tensor, Tensor]] = field(default_factory=dict)
    offsets: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def unit(self) -> int:
        """The unit that it splits."""
        return self.source

    @property
    def alone(self) -> bool:
        """Plain copies of one unit fit beside each other, shifted ones do not."""
        return bool(self.shifts)


@dataclass(frozen=True)
class Removal(Candidate):
    """Takes out the unit `removed`.

    `offsets` are added to whole tensors as they were before the event: the bias that takes over the unit's mean.
    """

    removed: int
    offsets: Mapping[str, Tensor] = field(default_factory=dict)

    gain: ClassVar[int] = -1

    @property
    def unit(self) -> int:
        """The unit that it removes."""
        return self.removed

    @property
    def alone(self) -> bool:
        """Always."""
        return True


@dataclass(frozen=True)
class NewLayer(Candidate):
    """A new layer at a depth site."""

    insertion: Insertion

    @property
    def layer_parameters(self) -> int:
        """All that it costs."""
        return self.parameters


@dataclass(frozen=True)
class StackedBlock(Candidate):
    """A copy of the block `source` of a block site, behind its block `behind`; both are counted in the site from 0.

    `zeroed` are the parameters, named within a block, that are zero in the copy. `optimizer_state` is what the
    optimizer knows of it: "copied" from that of `source`, or "reset". With `rescaled`, all blocks' outputs are
    multiplied by the root of the number of blocks before over that after, as where residual branches are initialised
    by depth.
    """

    source: int
    behind: int
    zeroed: tuple[str, ...] = ()
    optimizer_state: Literal["copied", "reset"] = "copied"
    rescaled: bool = False

    @property
    def layer_parameters(self) -> int:
        """All that it costs."""
        return self.parameters


@dataclass(frozen=True)
class Rewiring(Candidate):
    """Regrows or prunes connections of one weight; no unit comes or goes."""

    edit: MaskEdit

    gain: ClassVar[int] = 0


Kinds = frozenset[type[Candidate]]
"""What an initializer makes, or a selector takes."""

WidthChange = NewUnit | Split | Removal
ADDING: Kinds = frozenset({NewUnit, Split, NewLayer})
"""What every selector takes unless it says otherwise."""
DEEPENING: Kinds = frozenset({NewLayer, StackedBlock})
"""What makes a network deeper."""


def named(kinds: Kinds) -> str:
    """The kinds by name."""
    return ", ".join(sorted(kind.__name__ for kind in kinds))
