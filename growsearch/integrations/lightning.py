"""Growth in a Lightning `Trainer`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from torch import nn

from growsearch.errors import InputError
from growsearch.installing import command_for_extra
from growsearch.integrations.growth import Growing, Growth, regrow_all, require_one_process

if TYPE_CHECKING:
    import lightning.pytorch as pl
else:
    # The same library under two names; a Trainer takes callbacks of its own one.
    _NAMES = ("lightning.pytorch", "pytorch_lightning")
    _FOUND = [n for n in _NAMES if n in sys.modules] or [n for n in _NAMES if find_spec(n.partition(".")[0])]
    if not _FOUND:
        raise ImportError(f"{__name__} needs Lightning: {command_for_extra('lightning')}")
    pl = import_module(_FOUND[0])

_KEY = "GrowthCallback"


class GrowthCallback(Growing, pl.Callback):
    """Grows the module that a `Trainer` trains; its optimizers, schedulers, averages and checkpoints follow.

    Events come behind optimizer steps, also with accumulated gradients. The averages of `WeightAveraging` callbacks are
    companions. Checkpoints hold the growth: `trainer.fit(NewModule(), ckpt_path=...)` makes the new module as large as
    it was and goes on, and so do `validate` and `test`; `load_grown` is for a module without a trainer. What is logged
    under a name is known to schedulers that watch a metric.

    Args:
        network: path of the part of the `LightningModule` that grows, such as "net"; "": all of it.
        options: those of `growsearch.Grower`, `when` at least. By default `example_inputs` are the module's
            `example_input_array` or the first of a training batch, `batches` are drawn from the training's data, and
            `total_steps` are the trainer's.

    Raises `InputError` for options that there are not; once the trainer has begun, for several devices too.
    """

    def __init__(self, network: str = "", **options: Any) -> None:
        self._growth, self._network = Growth(options), network
        self._reading: _Rebuilding | None = None

    @property
    def state_key(self) -> str:
        """The name in checkpoints."""
        return _KEY

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Let checkpoints that are read from now on make the module as large as they are."""
        require_one_process(trainer.world_size, "Lightning")

        def rebuild(checkpoint: Mapping[str, Any]) -> None:
            modules = [pl_module, *_averages(trainer)]
            _regrow([_part(module, self._network) for module in modules], self._network, checkpoint)

        self._reading = _Rebuilding(trainer.strategy.checkpoint_io, rebuild)
        trainer.strategy.checkpoint_io = self._reading

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Undo `setup`."""
        if self._reading is not None and trainer.strategy.checkpoint_io is self._reading:
            trainer.strategy.checkpoint_io = self._reading.inner

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Prepare the new optimizers for their states, which are loaded next."""
        self._growth.restore_orders(trainer.optimizers, pl_module)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Make the grower."""
        steps = trainer.estimated_stepping_batches  # infinite where nothing ends the training
        self._growth.begin(
            pl_module,
            _part(pl_module, self._network),
            trainer.optimizers,
            trainer.train_dataloader,
            trainer.strategy.batch_to_device,
            [_part(average, self._network) for average in _averages(trainer)],
            example_inputs=pl_module.example_input_array,
            total_steps=steps if isinstance(steps, int) and steps > 0 else None,
        )
        self._steps = trainer.global_step

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *batch: Any) -> None:
        """Count an optimizer step, if there was one, and grow if it is time."""
        if trainer.global_step != self._steps:
            self._steps = trainer.global_step
            self._growth.step()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Tell schedulers what was logged."""
        if not trainer.sanity_checking:
            self._growth.report(trainer.callback_metrics)

    def state_dict(self) -> dict[str, Any]:
        """The growth's part of a checkpoint."""
        return self._growth.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take it from one."""
        self._growth.load_state_dict(state_dict)


def load_grown(module: nn.Module, path: str, network: str = "") -> nn.Module:
    """Return `module`, changed in place into the network of the checkpoint at `path`, with its weights.

    Raises `InputError` where the checkpoint does not belong to it. Only tensors and plain data are read.
    """
    import torch

    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    _regrow([_part(module, network)], network, checkpoint)
    module.load_state_dict(checkpoint["state_dict"])
    return module


class _Rebuilding(pl.plugins.io.CheckpointIO):
    """What the trainer reads checkpoints with, and before it uses one, `rebuild` sees it."""

    def __init__(self, inner: Any, rebuild: Callable[[Mapping[str, Any]], None]) -> None:
        self.inner, self._rebuild = inner, rebuild

    def load_checkpoint(self, path: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        found: dict[str, Any] = self.inner.load_checkpoint(path, *args, **kwargs)
        self._rebuild(found)
        return found

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        self.inner.save_checkpoint(checkpoint, path, storage_options=storage_options)

    def remove_checkpoint(self, path: Any) -> None:
        self.inner.remove_checkpoint(path)

    def teardown(self) -> None:
        self.inner.teardown()


def _regrow(networks: Sequence[nn.Module], path: str, checkpoint: Mapping[str, Any]) -> None:
    state = checkpoint.get("callbacks", {}).get(_KEY)
    if state:
        prefix = f"{path}." if path else ""
        weights = {k.removeprefix(prefix): v for k, v in checkpoint["state_dict"].items() if k.startswith(prefix)}
        regrow_all(networks, state, weights)


def _part(module: nn.Module, path: str) -> nn.Module:
    try:
        return module.get_submodule(path)
    except AttributeError as error:
        known = ", ".join(name for name, _ in module.named_children())
        raise InputError(f"network {path!r} is no part of {type(module).__name__}: it has {known}") from error


def _averages(trainer: pl.Trainer) -> list[nn.Module]:
    """The averaged copies of the module that callbacks keep."""
    kept = [each for each in trainer.callbacks if isinstance(each, pl.callbacks.WeightAveraging)]
    return [each._average_model.module for each in kept if each._average_model is not None]
