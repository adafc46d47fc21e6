"""Growth in a loop with Hugging Face's `Accelerator`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import nn

from growsearch.errors import InputError
from growsearch.growth import GrowthEvent
from growsearch.installing import command_for_extra
from growsearch.integrations.batches import to_device
from growsearch.integrations.growth import Growing, Growth, regrow_all, require_one_process
from growsearch.integrations.weights import read_weights, torch_optimizer, with_aliases
from growsearch.training.tensor_file import read_tensors, write_tensors

if find_spec("accelerate") is None:
    raise ImportError(f"{__name__} needs accelerate: {command_for_extra('accelerate')}")

STATE = "growsearch.pt"


class AcceleratedGrower(Growing):
    """A `Grower` around what `accelerator.prepare` gave: call `step()` behind every `optimizer.step()`.

    Steps count where gradients are synchronised, so that accumulation in `accelerator.accumulate` is followed.
    `accelerator.save_state(folder)` writes the growth too, and `accelerator.load_state(folder)` first makes a new seed
    network as large as it was: the loop has nothing to add.

    Args:
        accelerator: of the loop.
        model, optimizer, loader: as `prepare` gave them.
        options: those of `growsearch.Grower`, `when` at least. By default `example_inputs` are the first of a training
            batch, and `batches` are drawn from the loader's data.

    Raises `InputError` for options that there are not, a model that `prepare` did not give, and several processes.
    """

    def __init__(self, accelerator: Any, model: nn.Module, optimizer: Any, loader: Any, **options: Any) -> None:
        self._growth, self._accelerator = Growth(options), accelerator
        require_one_process(accelerator.num_processes, "Accelerate")
        self._prepared, self._model = model, accelerator.unwrap_model(model)
        self._optimizers = [torch_optimizer(optimizer)]
        place = partial(to_device, device=accelerator.device)
        self._growth.begin(self._model, model, self._optimizers, loader, place)
        accelerator.register_save_state_pre_hook(self._save)
        accelerator.register_load_state_pre_hook(self._load)

    def step(self) -> GrowthEvent | None:
        """Grow if it is time, where the optimizer has made a step."""
        return self._growth.step() if self._accelerator.sync_gradients else None

    def _save(self, models: Sequence[nn.Module], weights: Any, folder: str) -> None:
        write_tensors(Path(folder) / STATE, self._growth.state_dict())

    def _load(self, models: Sequence[nn.Module], folder: str) -> None:
        file = Path(folder) / STATE
        if not file.is_file():
            raise InputError(f"{folder} has no {STATE}: load what save_state wrote behind an AcceleratedGrower")
        index = next((i for i, each in enumerate(models) if each is self._prepared), None)
        if index is None:
            raise InputError("the model of this AcceleratedGrower is not one that accelerator.prepare gave: give that")
        state = read_tensors(file, torch.device("cpu"))
        weights = read_weights(Path(folder), f"model_{index}" if index else "model")
        regrow_all([self._model], state, with_aliases(self._model, weights))
        self._growth.load_state_dict(state)
        self._growth.restore_orders(self._optimizers, self._model)
        self._growth.go_on()
