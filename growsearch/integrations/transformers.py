"""Growth in the `Trainer` of Hugging Face `transformers`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from growsearch.errors import InputError
from growsearch.graph.wrapping import unwrapped
from growsearch.installing import command_for_extra
from growsearch.integrations.batches import to_device
from growsearch.integrations.growth import Growing, Growth, regrow_all, require_one_process
from growsearch.integrations.weights import read_weights, torch_optimizer, with_aliases
from growsearch.training.tensor_file import read_tensors, write_tensors

if not (find_spec("transformers") and find_spec("accelerate")):
    raise ImportError(f"{__name__} needs transformers and accelerate: {command_for_extra('trainer')}")

from transformers import TrainerCallback  # noqa: E402  # once it is known to be there

STATE = "growsearch.pt"


class GrowthCallback(Growing, TrainerCallback):
    """Grows the model that a `Trainer` trains; its optimizer, scheduler and checkpoints follow.

    Events come behind optimizer steps, also with accumulated gradients. Every checkpoint folder gets a file with the
    growth. `trainer.train(resume_from_checkpoint=...)` and `load_best_model_at_end` make the model as large as the
    checkpoint before they load it, where this is in the trainer's `output_dir`; for one from elsewhere call `regrow`
    first. What is evaluated is known to schedulers that watch a metric, as `eval_loss`.

    Args:
        options: those of `growsearch.Grower`, `when` at least. By default the `objective` is the `loss` that the model
            returns, `example_inputs` are the first of a training batch without its labels, `batches` are drawn from
            the training's data, and `total_steps` are the trainer's.

    Raises `InputError` for options that there are not; once training begins, for several processes too.
    """

    def __init__(self, **options: Any) -> None:
        self._growth = Growth(options)
        self._resumed = False

    def regrow(self, model: nn.Module, folder: Path | str) -> str:
        """Make `model` as large as the checkpoint in `folder`, with its weights, for training to go on from there.

        Returns the folder's path, for `resume_from_checkpoint`. Raises `InputError` where it has no growth, or does not
        belong to the model.
        """
        if not (Path(folder) / STATE).is_file():
            raise InputError(f"{folder} has no {STATE}: name a checkpoint folder of a training with GrowthCallback")
        self._regrow(model, Path(folder), read_weights(Path(folder), "model"))
        return str(folder)

    def on_init_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """See to it that checkpoints of another size can be loaded."""
        if isinstance(kwargs.get("model"), nn.Module):
            register: Any = unwrapped(kwargs["model"]).register_load_state_dict_pre_hook
            register(partial(_before_loading, self, Path(args.output_dir)))

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Make the grower: optimizer and scheduler exist, and have the states of the checkpoint."""
        require_one_process(max(args.world_size, args.n_gpu), "the Trainer")
        model, optimizers = kwargs["model"], [torch_optimizer(kwargs["optimizer"])]
        if self._resumed:
            self._growth.restore_loaded_orders(optimizers, model)
            self._resumed = False
        self._growth.begin(
            model,
            model,
            optimizers,
            kwargs["train_dataloader"],
            partial(to_device, device=args.device),
            objective=model_loss,
            total_steps=state.max_steps if state.max_steps > 0 else None,
        )

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Count the optimizer step, and grow if it is time."""
        self._growth.step()

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Tell schedulers the metrics."""
        self._growth.report(kwargs.get("metrics") or {})

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Write the growth beside the checkpoint."""
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        if args.should_save and folder.is_dir():
            shapes = {name: list(value.shape) for name, value in unwrapped(kwargs["model"]).state_dict().items()}
            write_tensors(folder / STATE, {**self._growth.state_dict(), "shapes": shapes})

    def _regrow(self, model: nn.Module, folder: Path, weights: Mapping[str, Tensor]) -> None:
        saved = read_tensors(folder / STATE, torch.device("cpu"))
        regrow_all([unwrapped(model)], saved, with_aliases(unwrapped(model), weights))
        self._growth.load_state_dict(saved)
        self._resumed = True


def model_loss(model: nn.Module, batch: Mapping[str, Any]) -> Tensor:
    """The loss that a model of `transformers` returns for a batch with labels.

    Raises `InputError` where it returns none.
    """
    outputs = model(**batch)
    loss = outputs.get("loss") if isinstance(outputs, Mapping) else getattr(outputs, "loss", None)
    if not isinstance(loss, Tensor):
        raise InputError(
            f"the model returns no loss for a batch of {', '.join(batch)}: give objective=, a function of a model and "
            "a batch"
        )
    return loss


def _before_loading(
    callback: GrowthCallback, output_dir: Path, model: nn.Module, weights: Any, prefix: str, *_: Any
) -> None:
    """Where weights of another network come, they are those of one of the trainer's checkpoints: make it that one."""
    own = {name: list(value.shape) for name, value in model.state_dict().items()}
    found = {name: list(value.shape) for name, value in with_aliases(model, weights).items()}
    if prefix or found == own:
        return
    known = {each.parent: read_tensors(each, torch.device("cpu"))["shapes"] for each in output_dir.glob(f"*/{STATE}")}
    alike = {folder: has for folder, has in known.items() if all(has.get(name) == found[name] for name in found)}
    if alike:  # of a deeper network that has these layers too, some would be missing
        callback._regrow(model, min(alike, key=lambda folder: len(alike[folder])), weights)
        return
    if any(own.get(name, shape) != shape for name, shape in found.items()):
        raise InputError(
            f"weights of another size are loaded, and no checkpoint in {output_dir} has them: call "
            "GrowthCallback.regrow(model, folder) with the folder that they are in before training goes on"
        )
