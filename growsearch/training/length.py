"""How long a run trains: in epochs, in optimizer steps, or in training FLOPs."""

from __future__ import annotations

from torch import Tensor, nn

from growsearch.config.models import TrainingConfig
from growsearch.errors import InputError
from growsearch.training.compute import training_flops_per_sample


def steps_bought(flops: float, flops_per_sample: int, samples: int, batch_size: int) -> int:
    """The most optimizer steps that cost no more than `flops`.

    `samples` are those of an epoch, of which `batch_size` are in a step (0: all). The last step of an
    epoch may have fewer samples, and costs less.

    Args:
        flops: a budget.
        flops_per_sample: of training.
        samples: of an epoch.
        batch_size: samples of a step.
    """
    size = batch_size or samples
    epochs, left = divmod(int(flops) // flops_per_sample, samples)
    return epochs * -(-samples // size) + left // size


def steps_within(flops: float, flops_per_sample: int, samples: int, batch_size: int, position: int) -> int:
    """The same from `position`, so many samples into an epoch.

    Args:
        flops: a budget.
        flops_per_sample: of training.
        samples: of an epoch.
        batch_size: samples of a step.
        position: steps done already in the epoch.
    """
    size, rest = batch_size or samples, max(0, samples - position)
    affordable = max(0, int(flops)) // flops_per_sample
    if affordable < rest:
        return affordable // size
    return -(-rest // size) + steps_bought(flops - rest * flops_per_sample, flops_per_sample, samples, batch_size)


def total_steps(training: TrainingConfig, model: nn.Module, example: Tensor, samples: int) -> int:
    """Return the optimizer steps of a run; those that `training.flops` buys are counted for the size that `model` has.

    A network that grows takes fewer: its loop counts again after every event.
    Raises `InputError` where that is not even one.

    Args:
        training: how the network is trained.
        model: the network at the run's start.
        example: a batch of inputs, of any samples.
        samples: those of an epoch.
    """
    if training.steps is not None:
        return training.steps
    size = training.batch_size or samples
    if training.epochs is not None:
        return training.epochs * -(-samples // size)
    cost = training_flops_per_sample(model, example)
    bought = steps_bought(training.flops or 0.0, cost, samples, training.batch_size) if cost else 0
    if not bought:
        step = cost * min(size, samples)
        raise InputError(f"training.flops: {training.flops:g} buys no step of this network: one costs {step:.4g} FLOPs")
    return bought
