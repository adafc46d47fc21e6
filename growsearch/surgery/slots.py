"""Where a model keeps its tensors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn


@dataclass(frozen=True)
class Slot:
    """The place of a parameter or buffer: a tensor that is tied or belongs to a shared module has one or several."""

    module: nn.Module
    key: str

    @property
    def store(self) -> dict[str, Any]:
        """The dict of the module that holds the tensor."""
        return self.module._parameters if self.key in self.module._parameters else self.module._buffers


def slots_of(models: Iterable[nn.Module]) -> dict[int, list[Slot]]:
    """All slots in `models` by the `id` of the tensor that they hold; a module that occurs twice counts once."""
    slots: dict[int, list[Slot]] = {}
    for module in {id(module): module for model in models for module in model.modules()}.values():
        for key, tensor in (*module._parameters.items(), *module._buffers.items()):
            if tensor is not None:
                slots.setdefault(id(tensor), []).append(Slot(module, key))
    return slots


def named_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Every parameter and buffer (persistent or not) under every one of its names."""
    parameters = dict[str, Tensor](model.named_parameters(remove_duplicate=False))
    return parameters | dict(model.named_buffers(remove_duplicate=False))
