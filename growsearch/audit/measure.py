"""What a growth step does to the loss at once, and what one gradient step of its new weights adds to that."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from statistics import fmean

import torch
from torch import Tensor, nn

from growsearch.audit.records import Effect, FirstStep
from growsearch.graph import NetworkGraph
from growsearch.growth import WithoutDropout
from growsearch.growth.unit_ages import marks
from growsearch.runs.records import GrowthLine
from growsearch.surgery import undisturbed
from growsearch.training import TrainingHooks, TrainingRun
from growsearch.training.setup import Setup

FRESH_BATCHES = 8
_FRESH_PASS = 500_000  # passes over the statistics batches that no run comes to

Batch = tuple[Tensor, Tensor]


class Measurement:
    """Of one growth step; made before it, finished after it. It leaves no trace in the run.

    `seed` chooses the fresh batches: the same for every branch of a seed.
    """

    def __init__(self, setup: Setup, seed: int = 0) -> None:
        self._setup = setup
        self._passes = setup.statistics.passes
        self._fresh = [] if _whole(setup) else list(islice(_pass(setup, _FRESH_PASS + seed), FRESH_BATCHES))
        self._before = self._fresh_loss()

    def finish(self, event: GrowthLine, graph: NetworkGraph) -> Effect:
        """Return the effect of the event that has just happened, given its line and the grown network."""
        after = self._fresh_loss()
        fresh = None if after is None or self._before is None else after - self._before
        return Effect(
            sites=dict(event.sites),
            removed=dict(event.removed),
            parameters=event.parameters_after,
            flops=event.flops_after,
            predicted_change=event.predicted_change,
            measured_change=event.measured_change,
            fresh_change=fresh,
            first_step=self._first_step(event.sites, graph, after),
            seconds=event.seconds,
        )

    def _first_step(self, sites: Mapping[str, int], graph: NetworkGraph, fresh: float | None) -> FirstStep | None:
        """None where no unit is new: a layer, a removal, a connection."""
        added = {name: units for name, units in sites.items() if name in graph.sites}
        if not added:
            return None
        setup = self._setup
        batch = next(_pass(setup, self._passes))  # the one that the event looked at
        widths = {name: graph.sites[name].units for name in added}
        new = {name: list(range(widths[name] - units, widths[name])) for name, units in added.items()}
        loss, gradients = _gradients(setup, batch, marks(setup.model, graph, new))
        rate = float(setup.optimizer.param_groups[0]["lr"])
        squared = sum(float(gradient.double().square().sum()) for gradient in gradients.values())
        with _moved(setup.model, gradients, -rate):
            measured = _loss(setup, batch) - loss
            later = self._fresh_loss()
        return FirstStep(-rate * squared, measured, None if later is None or fresh is None else later - fresh)

    def _fresh_loss(self) -> float | None:
        return fmean(_loss(self._setup, batch) for batch in self._fresh) if self._fresh else None


class MeasuredEvents(TrainingHooks):
    """Measures the growth events of a run: `effects` by step, `refused` with the reasons of those that were not made.

    Only at the steps `at`, where they are given; `seed` as for a `Measurement`.
    """

    def __init__(self, seed: int = 0, at: Collection[int] | None = None) -> None:
        self.effects: dict[int, Effect] = {}
        self.refused: dict[int, str] = {}
        self._seed, self._at = seed, at
        self._begun: Measurement | None = None

    def before_growth(self, run: TrainingRun) -> None:
        """See `TrainingHooks`."""
        watched = run.setup.grower is not None and (self._at is None or run.counters.step in self._at)
        self._begun = Measurement(run.setup, self._seed) if watched else None

    def after_growth(self, run: TrainingRun, line: GrowthLine) -> None:
        """See `TrainingHooks`."""
        if self._begun is None or run.setup.grower is None:
            return
        if line.refused is None:
            self.effects[line.step] = self._begun.finish(line, run.setup.grower.graph)
        else:
            self.refused[line.step] = line.refused


def _whole(setup: Setup) -> bool:
    """Whether a statistics batch is the whole training set, so that no other batch is left."""
    size = setup.config.growth.statistics.batch_size or setup.config.training.batch_size
    return not 0 < size < len(setup.data.train)


def _pass(setup: Setup, number: int) -> Iterator[Batch]:
    """The batches of one pass that growth steps look at, without counting it."""
    batches = copy.copy(setup.statistics)
    batches.passes = number
    return iter(batches)


def _loss(setup: Setup, batch: Batch) -> float:
    with undisturbed(setup.model), torch.no_grad(), WithoutDropout():
        return float(setup.criterion(setup.model(batch[0]), batch[1]))


def _gradients(setup: Setup, batch: Batch, new: Mapping[str, Tensor]) -> tuple[float, dict[str, Tensor]]:
    """The loss, and its gradient by every parameter that has new elements, zero at the others."""
    parameters = dict(setup.model.named_parameters())
    names = [name for name in new if parameters[name].requires_grad]
    with undisturbed(setup.model), torch.enable_grad(), WithoutDropout():
        loss = setup.criterion(setup.model(batch[0]), batch[1])
        found = torch.autograd.grad(loss, [parameters[name] for name in names], allow_unused=True)
    pairs = zip(names, found, strict=True)
    return float(loss.detach()), {name: gradient * new[name] for name, gradient in pairs if gradient is not None}


@contextmanager
def _moved(model: nn.Module, directions: Mapping[str, Tensor], length: float) -> Iterator[None]:
    """The model with some parameters moved; afterwards they are as they were, to the bit."""
    parameters = {name: parameter.data for name, parameter in model.named_parameters() if name in directions}
    before = {name: value.clone() for name, value in parameters.items()}
    for name, value in parameters.items():
        value.add_(directions[name], alpha=length)
    try:
        yield
    finally:
        for name, value in parameters.items():
            value.copy_(before[name])
