"""The loss of a batch and its gradients: computed, or on CUDA replayed from a recording."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from growsearch.config.check import is_imported
from growsearch.training.setup import Setup

WARM_UP = 10  # steps before a recording: a network that soon grows again is not worth one, and kernels are chosen first


class Gradients:
    """Computes the loss of a batch, and leaves its gradients in the parameters' `grad`, which have to be None.

    On a GPU a small network's step is hundreds of kernels of a few microseconds each, and launching them one by one
    takes longer than running them. So after `WARM_UP` batches of one shape the forward and the backward pass are
    recorded as a CUDA graph, which is replayed for all further batches of that shape, until `forget` says that the
    network has changed. The same kernels run in the same order. A network that cannot be recorded, because its forward
    waits for values, is computed.
    """

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._records = setup.records
        self._normalising = setup.world.normalising(setup.model, is_imported(setup.config.network))
        cuda: Any = torch.cuda  # its streams have no types
        self._stream = cuda.Stream(setup.device) if setup.device.type == "cuda" else None
        self.replayed = 0
        """Number of batches that were replayed."""
        self.forget()

    def forget(self) -> None:
        """The network has changed: record it anew."""
        self._seen: Counter[torch.Size] = Counter()
        self._recording: Recording | None = None

    def __call__(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """The loss, a scalar without history, of the batches of all processes; it is overwritten by the next call."""
        if self._recording is not None and inputs.shape == self._recording.shape:
            self.replayed += 1
            return self._recording.replay(inputs, targets)
        if self._records and self._recording is None and self._seen[inputs.shape] >= WARM_UP:
            self._recording = self._record(inputs, targets)
            return self(inputs, targets)
        self._seen[inputs.shape] += 1
        return self._compute(inputs, targets)

    def _compute(self, inputs: Tensor, targets: Tensor) -> Tensor:
        setup = self._setup
        if setup.world.size > 1:
            return self._compute_share(inputs, targets)
        with setup.context:
            loss = setup.criterion(setup.model(inputs), targets)
        torch.autograd.backward(loss if setup.soft is None else loss + setup.soft.penalty())
        return loss.detach()

    def _compute_share(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """As `_compute`, where this process has a part of the batch.

        Gradients are averaged over the processes: weighted by the shares, they are those of the mean over all samples.
        """
        setup, world = self._setup, self._setup.world
        with setup.context, self._normalising:
            outputs = setup.trained(inputs)
            # A process without a sample takes part with zeros.
            loss = setup.criterion(outputs, targets) if len(inputs) else outputs.sum()
        share = len(inputs) / setup.batches.samples
        torch.autograd.backward(loss * (share * world.size))
        return world.total(loss.detach() * share)

    def _record(self, inputs: Tensor, targets: Tensor) -> Recording | None:
        try:
            return Recording(self._compute, self._setup.model, inputs, targets, self._stream)
        except RuntimeError:  # what CUDA and the network raise where a recording is impossible
            self._records = False
            self._setup.optimizer.zero_grad(set_to_none=True)
            torch.cuda.synchronize(inputs.device)
            return None


class Recording:
    """One forward and backward pass of a network as a CUDA graph, for batches of one shape."""

    def __init__(
        self,
        compute: Callable[[Tensor, Tensor], Tensor],
        model: nn.Module,
        inputs: Tensor,
        targets: Tensor,
        stream: torch.cuda.Stream | None,
    ) -> None:
        self._inputs, self._targets = inputs.clone(), targets.clone()
        self._graph = torch.cuda.CUDAGraph()
        # On the batch's own GPU, which need not be the current one; where it is not, nothing would be recorded.
        with torch.cuda.device(inputs.device), torch.cuda.graph(self._graph, stream=stream):
            self._loss = compute(self._inputs, self._targets)
        self._gradients = [(each, each.grad) for each in model.parameters() if each.grad is not None]
        for parameter, _ in self._gradients:
            parameter.grad = None

    @property
    def shape(self) -> torch.Size:
        """Shape of the inputs."""
        return self._inputs.shape

    def replay(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """The loss of a batch; its gradients are put where the backward pass would."""
        self._inputs.copy_(inputs)
        self._targets.copy_(targets)
        self._graph.replay()
        for parameter, gradient in self._gradients:
            parameter.grad = gradient
        return self._loss
