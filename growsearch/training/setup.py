"""From a file to the objects that a training loop works on, new or as a checkpoint left them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from growsearch.config import RunConfig
from growsearch.config.check import is_imported
from growsearch.config.models import NewUnitsConfig
from growsearch.data import Augment, Batches, DataSet, Split, load_data
from growsearch.errors import InputError
from growsearch.growth import Grower, NewUnitSettings, Rewarm, SoftGrower
from growsearch.networks import build_network
from growsearch.surgery import rebuild
from growsearch.tasks import make_task
from growsearch.training.architecture import Architecture
from growsearch.training.artifact import insertions_of
from growsearch.training.checkpoint import adopt_layout, restore_rng
from growsearch.training.fitting import require_fit
from growsearch.training.length import total_steps
from growsearch.training.optimizers import Schedule, build_optimizer, build_schedule, restore_order
from growsearch.training.precision import autocast, resolve_device, resolve_precision
from growsearch.training.samples import StatisticsBatches
from growsearch.training.world import ALONE, World

_OF_RANKS = 1_000_003  # between the seeds of processes that train one network
FLOPS_PARTS = 10_000  # of the learning-rate schedule, where a run ends by its FLOPs


@dataclass
class Setup:
    """Everything that one run computes with; `rows_every` is the number of steps between rows of metrics.

    `trained` is what is called in training: the `model`, or its wrapper where several processes, the `world`, train it.
    """

    config: RunConfig
    seed: int
    device: torch.device
    data: DataSet
    model: nn.Module
    trained: nn.Module
    world: World
    optimizer: Optimizer
    schedule: Schedule
    batches: Batches
    validation: Split | None
    statistics: StatisticsBatches
    grower: Grower | None
    soft: SoftGrower | None
    dtype: torch.dtype
    context: AbstractContextManager[object]
    total_steps: int
    steps_per_epoch: int
    rows_every: int
    architecture: Architecture | None = None

    @property
    def criterion(self) -> Callable[[Tensor, Tensor], Tensor]:
        """The task's mean loss over a batch, of outputs and targets."""
        return self.data.task.criterion

    @property
    def masked(self) -> bool:
        """Whether there are dormant connections that no grower holds."""
        return self.grower is None and self.architecture is not None and bool(self.architecture.masks)

    @property
    def flops_limit(self) -> float | None:
        """The training FLOPs that end the run where they decide and steps become dearer; None where steps end it."""
        return self.config.training.flops if _grows_by_flops(self.config) else None

    @property
    def records(self) -> bool:
        """Whether passes through the network are recorded, to be replayed."""
        if self.device.type != "cuda" or self.soft is not None:  # gates that are trained are hooks, with state
            return False
        if self.world.size > 1:  # what other processes send is not of the recording
            return False
        wanted = self.config.training.cuda_graph
        return not is_imported(self.config.network) if wanted is None else wanted

    @property
    def growing(self) -> Grower | SoftGrower | None:
        """What changes the network's size, in events or by gradient descent."""
        return self.grower or self.soft

    @property
    def learned(self) -> nn.Module | None:
        """What is trained beside the network: the numbers behind its sizes."""
        return self.soft.learned if self.soft is not None else None


def set_up(
    config: RunConfig,
    seed: int,
    device: str = "auto",
    saved: dict[str, Any] | None = None,
    architecture: Architecture | None = None,
    data: DataSet | None = None,
    world: World = ALONE,
) -> Setup:
    """Build a run: new, or continuing from the checkpoint `saved`; with `architecture` in place of the seed network.

    The same seed gives every policy the same data, the same order of it and, for the same network, the same initial
    weights. `data` stands in for the data set that the file names. In all processes of a `world` the setup is the same
    but for their share of the batches, and what dropout draws. Raises `InputError` where the file's parts do not fit
    each other.

    Args:
        config: of the run.
        seed: of the run.
        device: "cpu" or "cuda".
        saved: a checkpoint.
        architecture: to begin with.
        data: in the place of the file's.
        world: the processes that train it.
    """
    place = resolve_device(device)
    data = data or load_data(config.data, seed, config.allow_import)
    data = replace(data, task=make_task(config.task, data.task))
    model = _network(config, seed, data, place, saved, architecture)
    require_fit(model, data)
    training = config.training
    optimizer = build_optimizer(training.optimizer, model)
    augment = Augment(**training.augment.model_dump()) if training.augment else None
    batches = Batches(data.train, training.batch_size, data, place, augment, seed, world.share)
    statistics = config.growth.statistics
    size = statistics.batch_size or training.batch_size or len(data.train.inputs)
    steps_per_epoch = len(batches)
    steps = total_steps(training, model, data.example(), len(data.train))
    dtype = resolve_precision(training.precision, place, data.input_shape)
    setup = Setup(
        config=config,
        seed=seed,
        device=place,
        data=data,
        model=model,
        trained=world.wrapped(model, data.example()),
        world=world,
        optimizer=optimizer,
        schedule=build_schedule(training.schedule, FLOPS_PARTS if _grows_by_flops(config) else steps),
        batches=batches,
        validation=data.validation.to(place) if data.validation else None,
        statistics=StatisticsBatches(data, size, place, seed, world.share),
        grower=None,
        soft=None,
        dtype=dtype,
        context=autocast(place, dtype),
        total_steps=steps,
        steps_per_epoch=steps_per_epoch,
        rows_every=_rows_every(config, steps_per_epoch, steps),
        architecture=architecture,
    )
    if config.growth.grows:
        setup.grower = _grower(setup)
        _check_metric(setup, setup.grower)
    if config.growth.soft is not None:
        example = setup.statistics.first(2)[0]
        setup.soft = SoftGrower(model, optimizer, example, config.growth.soft, sites=config.growth.sites, seed=seed)
    torch.manual_seed(seed + _OF_RANKS * world.rank)
    if saved is not None:
        _restore(setup, saved)
    setup.trained.train()
    return setup


def _network(
    config: RunConfig,
    seed: int,
    data: DataSet,
    device: torch.device,
    saved: dict[str, Any] | None,
    architecture: Architecture | None,
) -> nn.Module:
    """The seed network, the grown one of the checkpoint, or a new one of that architecture; images: channels last."""
    torch.manual_seed(seed)
    model = build_network(config.network, data.input_shape, data.outputs, allow_import=config.allow_import)
    if saved is not None:
        grown = saved["architecture"]
        model = rebuild(model, insertions_of(grown), saved["model"], grown["attributes"], grown["sizes"])
    elif architecture is not None:
        model = architecture.fresh(model, config.network, seed)
    model = model.to(device)
    if len(data.input_shape) == 3:
        model = model.to(memory_format=torch.channels_last)
    if saved is not None:
        adopt_layout(model, saved["model"])
    return model


def _grows_by_flops(config: RunConfig) -> bool:
    return config.training.flops is not None and config.growth.grows


def _rows_every(config: RunConfig, steps_per_epoch: int, total_steps: int) -> int:
    """Steps between rows of metrics: by their number, else by epochs, but at most 100 rows where steps are given."""
    if config.training.rows is not None:
        return max(1, -(-total_steps // config.training.rows))
    every = config.training.evaluate_every * steps_per_epoch
    by_epochs = config.training.epochs is not None or _grows_by_flops(config)
    return every if by_epochs else max(every, -(-total_steps // 100))


def _grower(setup: Setup) -> Grower:
    growth, width = setup.config.growth, setup.config.grown_width()
    criterion = setup.criterion
    return Grower(
        setup.trained,
        setup.optimizer,
        setup.statistics.first(2)[0],
        objective=lambda model, batch: criterion(model(batch[0]), batch[1]),
        batches=setup.statistics,
        when=growth.when,
        where=growth.where,
        how=growth.how,
        budget=growth.budget if width is None else {"width": width},
        amount=growth.amount,
        round_to=growth.round_to,
        limits=growth.limits,
        sites=growth.sites,
        statistics_batches=growth.statistics.batches,
        new_units=_new_units(growth.new_units),
        seed=setup.seed,
        total_steps=setup.total_steps,
        steps_per_epoch=setup.steps_per_epoch,
        report=None,
    )


def _new_units(config: NewUnitsConfig) -> NewUnitSettings:
    rewarm = Rewarm(**config.rewarm.model_dump()) if config.rewarm else None
    return NewUnitSettings(**{**config.model_dump(), "rewarm": rewarm})


def _check_metric(setup: Setup, grower: Grower) -> None:
    """A scheduler that waits for a metric which never comes would never grow, and never say so."""
    metric = getattr(grower.policy.when, "metric", None)
    reported = ["train_loss"]
    if setup.validation is not None:
        reported += [f"validation_{one.name}" for one in reversed(setup.data.task.metrics)]
    if metric is not None and metric not in reported:
        raise InputError(
            f"growth.when watches {metric!r}, which training on data {setup.data.name!r} does not report: choose "
            f"{' or '.join(reported)} (a loss needs mode: min)"
        )


def _restore(setup: Setup, saved: dict[str, Any]) -> None:
    """What is not in the network: optimizer, data order, growth, generators."""
    restore_order(setup.optimizer, setup.model, saved["parameter_order"], setup.learned)
    setup.optimizer.load_state_dict(saved["optimizer"])
    setup.batches.load_state_dict(saved["batches"])
    setup.statistics.passes = saved["statistics_passes"]
    if setup.grower is not None:
        setup.grower.load_state_dict(saved["grower"])
    if setup.soft is not None:
        setup.soft.load_state_dict(saved["soft"])
    states = [saved["rng"], *saved.get("rng_of_others", [])]
    if setup.world.rank < len(states):  # a process that was not there before draws from its own seed
        restore_rng(states[setup.world.rank], setup.device)
