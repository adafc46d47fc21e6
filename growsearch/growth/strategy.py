"""What a strategy is: a frozen pydantic model whose fields are its parameters.

A strategy holds no state. What it has to remember between events (the turn of a round robin, say) is a plain `dict`
of its own, `context.state_of(self)`, that the core writes into checkpoints.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from pydantic import BaseModel, ConfigDict
from torch import nn

from growsearch.growth.candidate import ADDING, DEEPENING, Candidate, Kinds, NewUnit, StackedBlock

if TYPE_CHECKING:
    from growsearch.graph import BlockSite, NetworkGraph, Site
    from growsearch.growth.context import GrowthContext
    from growsearch.growth.progress import Progress
    from growsearch.surgery import Edit

Need = Literal["gradient_matrix", "gradients", "losses"]


class Strategy(BaseModel, ABC):
    """Base of all kinds; what it says of itself is shown by `growsearch strategies` and in the docs.

    `group`: when, where or how. `summary`: what it does. `why`: what it is good for. `source`: paper and equation.
    `needs`: what is measured for it, on batches, by an objective. `finds_size`: whether, and how, it decides by itself
    how large the network becomes.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    group: ClassVar[str]
    summary: ClassVar[str]
    source: ClassVar[str]
    why: ClassVar[str] = ""
    finds_size: ClassVar[str] = "no"
    needs: ClassVar[frozenset[Need]] = frozenset()

    def batches(self) -> int:
        """How many batches an event needs at least."""
        return 1


class Scheduler(Strategy):
    """When to grow."""

    group: ClassVar[str] = "when"

    @abstractmethod
    def due(self, progress: Progress) -> bool:
        """Whether the network grows now, after `progress.step` optimizer steps."""

    def events_left(self, progress: Progress) -> int | None:
        """How many events are still to come, this one included; None where that is not known beforehand."""
        return None

    def reads(self) -> str | None:
        """The reported metric by which it decides; None: by none."""
        return None

    def watches(self, progress: Progress) -> bool:
        """Whether the scheduler looks at the network now, before it is asked whether growth is due."""
        return False

    def look(self, context: GrowthContext) -> dict[str, float]:
        """What it sees there: numbers that are reported as metrics of the current step."""
        return {}


class Selector(Strategy):
    """Where to grow.

    `takes` are the kinds of candidates that it can choose among; `layers_beside_units` tells that it also can where
    new layers are proposed beside candidates that widen.
    """

    group: ClassVar[str] = "where"
    takes: ClassVar[Kinds] = ADDING
    layers_beside_units: ClassVar[bool] = False

    def held_out(self) -> int:
        """How many batches an event draws for it alone: no candidate is made from them (`context.held_out`)."""
        return 0

    @abstractmethod
    def plan(self, context: GrowthContext) -> dict[str, int]:
        """For every site that may be chosen, at most how many units: candidates are made for these."""

    @abstractmethod
    def select(self, candidates: Sequence[Candidate], context: GrowthContext) -> list[Candidate]:
        """The candidates to install, within `context.allowance`."""


class Initializer(Strategy):
    """How new parts start: `makes` are the kinds of its candidates, `exact` tells that they keep the function.

    `usual` names the scheduler and the selector that go with it in its source.
    """

    exact: ClassVar[bool] = True
    usual: ClassVar[tuple[str, str]] = ("interval", "uniform")
    preserves: ClassVar[str]
    group: ClassVar[str] = "how"
    makes: ClassVar[Kinds] = frozenset({NewUnit})

    @classmethod
    def deepens(cls) -> bool:
        """Whether it makes layers or blocks and nothing else: it is asked about depth sites, or block sites, then."""
        return cls.makes <= DEEPENING

    @classmethod
    def stacks(cls) -> bool:
        """Whether it makes blocks and nothing else: it is asked about block sites then."""
        return cls.makes == {StackedBlock}

    def added_blocks(self, blocks: int) -> int:
        """How many blocks it adds in one event to a block site of so many, where it stacks and the budget allows."""
        return 1

    def made(self) -> Kinds:
        """What it makes with these parameters; layers beside units at `context.layer_sites`."""
        return self.makes

    def seed_edits(self, model: nn.Module, sites: Mapping[str, Site], generator: torch.Generator) -> list[Edit]:
        """What makes the seed network sparse, before it trains; asked for where the selector takes `Rewiring`."""
        return []

    def require(
        self, model: nn.Module, graph: NetworkGraph, site: Site, trainable: frozenset[str] | None = None
    ) -> None:
        """Raise `GrowthRefused` where no units can be made at `site`, whatever the data: a `Grower` leaves it out then.

        Args:
            model: the network.
            graph: its graph.
            site: one of the graph's.
            trainable: names of the parameters that train; None: all.
        """

    def require_blocks(self, site: BlockSite, trainable: frozenset[str] | None = None) -> None:
        """Raise `GrowthRefused` where no blocks can be made at a block site, whatever the data."""

    @abstractmethod
    def propose(self, plan: Mapping[str, int], context: GrowthContext) -> Sequence[Candidate]:
        """Candidates for up to `plan[site]` units at each site, best first within a site."""
