"""The objective as new units feel it that leave the function as it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from growsearch.growth.statistics.capture import capture
from growsearch.surgery import seed_generators, undisturbed


class LocalObjective:
    """The objective on one batch, cut behind the layers `ends` that read new units.

    As long as no unit changes what the network computes, the loss gradients at the outputs of these layers stay what
    they are. They are computed once. Each call then gives the sum of <gradient, output> over the layers, and of the
    loss as far as it is reached past them: at the weights of a unit whose one side is zero it has the gradient of the
    objective, for every value of the other side, and no backward pass runs through the network. Of `ends`, those are
    taken that are linear or convolution layers; an objective that differentiates through the network is not supported.
    Where such a layer gives new units itself, `units` names their output channels: these pass on behind the cut.

    Every call sees the same random numbers; make it, and take its derivatives, within `undisturbed(model)`. Raises as
    `capture` does.
    """

    def __init__(
        self,
        model: nn.Module,
        objective: Callable[[nn.Module, Any], Tensor],
        batch: Any,
        ends: Iterable[str],
        units: Mapping[str, Sequence[int]] | None = None,
    ) -> None:
        self._model, self._objective, self._batch = model, objective, batch
        self._ends = sorted({end for end in ends if isinstance(model.get_submodule(end), nn.Linear | _ConvNd)})
        self._units = units or {}
        self._seed = torch.initial_seed()
        with undisturbed(model):
            seed_generators(model, self._seed)
            self._gradients = capture(model, objective, batch, gradients_of=self._ends).gradients

    def __call__(self) -> Tensor:
        """A differentiable number; its value means nothing."""
        runs: Counter[str] = Counter()
        terms: list[Tensor] = []

        def cut(path: str) -> Callable[[nn.Module, tuple[Any, ...], dict[str, Any], Tensor], Tensor | None]:
            def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Tensor) -> Tensor | None:
                gradient = self._gradients.get((path, runs[path]))
                runs[path] += 1
                if gradient is None:
                    return None
                new = _mask(module, output, self._units.get(path, ()))
                known = gradient if new is None else gradient.masked_fill(new, 0.0)
                terms.append((known * output).sum(dtype=torch.float32 if output.dtype.itemsize < 4 else None))
                if new is None:
                    return output.detach()
                # The layer's own units depend on its weights, and nothing before the layer on them.
                x = args[0] if args else kwargs["input"]
                return torch.where(new, module.forward(x.detach()), output.detach())

            return hook

        handles = [
            self._model.get_submodule(path).register_forward_hook(cut(path), with_kwargs=True) for path in self._ends
        ]
        seed_generators(self._model, self._seed)
        try:
            with torch.enable_grad():
                terms.append(self._objective(self._model, self._batch))
        finally:
            for handle in handles:
                handle.remove()
        return torch.stack([term.to(terms[-1]) for term in terms if term.requires_grad]).sum()


def _mask(module: nn.Module, output: Tensor, channels: Sequence[int]) -> Tensor | None:
    """Where these channels are in a layer's output, to be broadcast; None where there are none."""
    if not channels:
        return None
    axis = -1 if isinstance(module, nn.Linear) else -len(module.get_parameter("weight").shape) + 1
    shape = [1] * output.ndim
    shape[axis] = output.shape[axis]
    mask = torch.zeros(output.shape[axis], dtype=torch.bool, device=output.device)
    mask[list(channels)] = True
    return mask.reshape(shape)
