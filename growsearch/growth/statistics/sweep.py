"""Statistics as a service: what the strategies of an event request is found in one sweep over the batches, once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, Generic, TypeVar

import torch
from torch import nn

from growsearch.errors import GrowthRefused
from growsearch.graph import NetworkGraph
from growsearch.growth.objective import Objective
from growsearch.growth.statistics.capture import Capture, capture
from growsearch.growth.statistics.collect import batch_size
from growsearch.surgery import undisturbed

T = TypeVar("T")


class Answer(ABC, Generic[T]):
    """What is being found for one request, batch by batch.

    The sweep records the inputs of the modules `inputs_of`, loss gradients at the outputs of `gradients_of`, and the
    outputs of `outputs_of`.
    """

    inputs_of: frozenset[str] = frozenset()
    gradients_of: frozenset[str] = frozenset()
    outputs_of: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self.result: T | None = None
        self.refusal: GrowthRefused | None = None

    @abstractmethod
    def add(self, seen: Capture, weight: float, generator: torch.Generator) -> None:
        """Add one batch, which has the share `weight` of the samples; may raise `GrowthRefused`."""

    @abstractmethod
    def end_pass(self, generator: torch.Generator) -> None:
        """Set `result`, or leave it None: then all batches come once more."""

    @property
    def done(self) -> bool:
        """Whether there is a result, or a reason why there is none."""
        return self.result is not None or self.refusal is not None

    def value(self) -> T:
        """The result; raises `GrowthRefused` where there is none."""
        if self.refusal is not None:
            raise self.refusal
        assert self.result is not None
        return self.result


class Request(ABC, Generic[T]):
    """What a strategy wants to know; a frozen dataclass, by which the answer is remembered."""

    @abstractmethod
    def start(self, model: nn.Module, graph: NetworkGraph) -> Answer[T]:
        """Begin to answer; raises `GrowthRefused` where that cannot be had, whatever the data."""

    def covers(self, other: Request[Any]) -> bool:
        """Whether the answer to this request is one to the other, too."""
        return self == other


class Statistics:
    """Answers requests about a network as it is now; each is found once, all that are asked for together in one sweep.

    `passes` counts the forward and backward passes that it took.
    """

    def __init__(
        self,
        model: nn.Module,
        graph: NetworkGraph,
        objective: Objective,
        batches: Sequence[Any],
        generator: torch.Generator,
    ) -> None:
        self._model, self._graph = model, graph
        self._objective, self._batches, self._generator = objective, batches, generator
        self._answers: dict[Request[Any], Answer[Any]] = {}
        self._refused: dict[Request[Any], GrowthRefused] = {}
        self.passes = 0

    def collect(self, requests: Iterable[Request[Any]]) -> None:
        """Find what is not known yet of what is requested; a refusal is remembered for the one who asks for it."""
        started: dict[Request[Any], Answer[Any]] = {}
        for request in requests:
            if request in started or request in self._refused or self._known(request) is not None:
                continue
            try:
                started[request] = request.start(self._model, self._graph)
            except GrowthRefused as error:
                self._refused[request] = error
        self.passes += sweep(self._model, list(started.values()), self._objective, self._batches, self._generator)
        self._answers.update(started)

    def get(self, request: Request[T]) -> T:
        """The answer to a request; raises `GrowthRefused` where there is none."""
        self.collect([request])
        if request in self._refused:
            raise self._refused[request]
        answer: Answer[T] | None = self._known(request)
        assert answer is not None
        return answer.value()

    def forget(self) -> None:
        """Let all answers go: the network is about to change, and they may hold as much memory as it does."""
        self._answers.clear()
        self._refused.clear()

    def _known(self, request: Request[Any]) -> Answer[Any] | None:
        return next((answer for known, answer in self._answers.items() if known.covers(request)), None)


def sweep(
    model: nn.Module,
    answers: Sequence[Answer[Any]],
    objective: Objective,
    batches: Sequence[Any],
    generator: torch.Generator,
) -> int:
    """Run each batch once for all answers, and again for those that take several passes; the number of runs.

    The network runs in the mode that it is in; running statistics, gradients and random state are left as they were.
    With a single batch its activations are kept instead of running it again.

    Args:
        model: the network.
        answers: begun, none done.
        objective: `objective(model, batch) -> loss`.
        batches: on which it is found, weighted by their samples.
        generator: of what an answer draws.
    """
    sizes = [batch_size(batch) for batch in batches]
    seen: Capture | None = None
    runs = 0
    while pending := [answer for answer in answers if not answer.done]:
        for batch, size in zip(batches, sizes, strict=True):
            if seen is None or len(batches) > 1:
                # The activations of one batch go before those of the next come.
                seen = None
                seen = _captured(model, objective, batch, pending)
                runs += 1
            for answer in pending:
                _add(answer, seen, size / sum(sizes), generator)
        for answer in pending:
            if answer.refusal is None:
                answer.end_pass(generator)
    return runs


def _captured(model: nn.Module, objective: Objective, batch: Any, answers: Sequence[Answer[Any]]) -> Capture:
    inputs, gradients, outputs = (
        frozenset[str]().union(*parts)
        for parts in zip(*((a.inputs_of, a.gradients_of, a.outputs_of) for a in answers), strict=True)
    )
    with undisturbed(model):
        return capture(model, objective, batch, inputs, gradients, outputs)


def _add(answer: Answer[Any], seen: Capture, weight: float, generator: torch.Generator) -> None:
    if answer.refusal is not None:
        return
    try:
        answer.add(seen, weight, generator)
    except GrowthRefused as error:
        answer.refusal = error
