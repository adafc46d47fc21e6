"""Where the loss on held-out batches is lowest after the growth."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import nn
from torch.optim import Optimizer

from growsearch.errors import GrowthFailed, GrowthRefused
from growsearch.growth import (
    ADDING,
    Candidate,
    GrowthContext,
    Kinds,
    Need,
    Objective,
    Selector,
    StackedBlock,
    planned_edits,
)
from growsearch.growth.check import failing_whole
from growsearch.growth.recalibrate import new_channels, recalibrate
from growsearch.surgery import apply_edits, apply_masks, optimizers_of, seed_generators, undisturbed
from growsearch_strategies.gauss_newton.evaluation import eval_no_dropout

__all__ = ["HeldOut"]

Option = Sequence[Candidate]
"""Candidates that are tried out together."""


class HeldOut(Selector):
    """Every option is made in a copy of the network, which may train for a while, and its loss is measured.

    An option is one block, one layer, or an even share of the units of one site. The copy's loss is its mean over
    batches that no candidate was made from and no copy trains on, in evaluation mode. They come from where all batches
    of a growth step come from: in runs from files that is the training split, so validation and test data are not seen,
    and the network itself may have trained on these samples. The options with the lowest loss are installed, as far as
    the budget goes; what does not lower the loss is not left out, as a growth that pays later may raise it at first.

    The loss right after a growth tells nothing of candidates that keep the function, and may mislead about others.
    With `lag`, each copy first trains for so many steps, by a copy of the optimizer with its state, at the learning
    rate of now, on the same batches and random numbers for all; without clipping, and without what `new_units` asks
    for. With `lag: 0`, chance decides among candidates that keep the function.

    The options are judged one by one, so it is not seen what two of them do together.
    """

    summary: ClassVar[str] = "what ends with the lowest loss on held-out batches, optionally after a short lag"
    source: ClassVar[str] = "Karp et al. 2024, Landscape-Aware Growing: The Power of a Little LAG (with lag)"
    why: ClassVar[str] = "a choice by the loss itself, for blocks too: which ones to copy"
    takes: ClassVar[Kinds] = ADDING | {StackedBlock}
    needs: ClassVar[frozenset[Need]] = frozenset({"losses"})

    lag: int = Field(0, ge=0, description="steps that each copy trains before its loss is measured")
    samples: int = Field(2, ge=1, description="held-out batches that the loss is averaged over")
    multiplier: float = Field(
        2.0, ge=1, description="most units for one site in an event, in multiples of its even share"
    )

    def batches(self) -> int:
        return max(1, self.lag)

    def held_out(self) -> int:
        return self.samples

    def plan(self, context: GrowthContext) -> dict[str, int]:
        """Of a chain that grows a copy of every block, of other sites a few shares."""
        plan = context.pool(self.multiplier)
        blocks = {name: max(plan[name], site.blocks) for name, site in context.block_sites.items() if plan[name]}
        return plan | blocks

    def select(self, candidates: Sequence[Candidate], context: GrowthContext) -> list[Candidate]:
        objective, batches = context.needed("losses")
        if self.lag and context.optimizer is None:
            raise GrowthRefused("where: held_out trains copies of the network with lag: give optimizer=..., or lag: 0")
        options = _options(candidates, context)
        order = torch.randperm(len(options), generator=context.generator).tolist()
        seed = int(torch.randint(1 << 31, (), generator=context.generator))
        trials = _Trials(context, objective, batches, self.lag, context.held_out or batches[-1:], seed)
        found: list[tuple[float, int, Option]] = []
        for done, (place, option) in enumerate(zip(order, options, strict=True), 1):
            found.append((trials.loss(option), place, option))
            context.report(done, len(options), "held_out: options are tried")
        usable = [each for each in found if not math.isnan(each[0])]
        if trials.failure is not None and all(loss == math.inf for loss, _, _ in found):
            raise trials.failure
        if found and not usable:
            raise GrowthFailed("the objective is not finite on held-out batches, whatever grows: the run has diverged")
        return context.ledger().fitting(c for _, _, option in sorted(usable, key=lambda each: each[:2]) for c in option)


def _options(candidates: Sequence[Candidate], context: GrowthContext) -> list[Option]:
    """Those of which the budget covers something."""
    by_site: dict[str, list[Candidate]] = {}
    for c in candidates:
        by_site.setdefault(c.site, []).append(c)
    found = []
    for name, own in by_site.items():
        share = max(1, context.allowance.requests[name]) if name in context.sites else 1
        found += [context.ledger().fitting(own[first : first + share]) for first in range(0, len(own), share)]
    return [option for option in found if option]


@dataclass
class _Trials:
    """Tries options in copies of the context's network; neither that nor its optimizer changes."""

    context: GrowthContext
    objective: Objective
    batches: Sequence[Any]
    lag: int
    held_out: Sequence[Any]
    seed: int
    failure: GrowthFailed | GrowthRefused | None = field(default=None, init=False)
    _unchanged: float | None = field(default=None, init=False)

    def loss(self, option: Option) -> float:
        """The loss after the option: nan where it is not finite, infinite where the option cannot be made.

        The latter come last: once chosen, they are refused with a reason.
        """
        if self.lag == 0 and all(c.exact for c in option):
            if self._unchanged is None:
                self._unchanged = self._measured(self.context.model)
            return self._unchanged
        try:
            with undisturbed(self.context.model), failing_whole():
                return self._measured(self._grown(option))
        except (GrowthFailed, GrowthRefused) as error:
            self.failure = error
            return math.inf

    def _grown(self, option: Option) -> nn.Module:
        """A copy with the option, trained for `lag` steps."""
        memo: dict[int, Any] = {}
        model: nn.Module = copy.deepcopy(self.context.model, memo)
        optimizers = [_copied(optimizer, memo) for optimizer in optimizers_of(self.context.optimizer)]
        edits = planned_edits(self.context.graph, option)
        new = new_channels(model, edits)
        apply_edits(model, edits, optimizers)
        recalibrate(model, new, None, self.objective, self.batches)
        seed_generators(model, self.seed)
        for batch in islice(cycle(self.batches), self.lag):
            model.zero_grad()
            with torch.enable_grad():
                torch.autograd.backward(self.objective(model, batch))
            for optimizer in optimizers:
                optimizer.step()
            apply_masks(model, optimizers)
        return model

    def _measured(self, model: nn.Module) -> float:
        with eval_no_dropout(model), torch.no_grad():
            mean = sum(float(self.objective(model, batch)) for batch in self.held_out) / len(self.held_out)
        return mean if math.isfinite(mean) else math.nan


def _copied(optimizer: Optimizer, memo: dict[int, Any]) -> Optimizer:
    """A copy, without hooks, for the copies of parameters in `memo`; torch's own leaves out a subclass's attributes."""
    found: Optimizer = copy.deepcopy(optimizer, memo)
    for name, value in vars(optimizer).items():
        if name not in vars(found) and not callable(value):
            setattr(found, name, copy.deepcopy(value, memo))
    return found
