"""The optimizers and learning-rate schedules that a file can name."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from growsearch.config.models import ScheduleConfig
from growsearch.errors import InputError
from growsearch.graph.compiler import spare_compiler
from growsearch.networks.parameters import make
from growsearch.optimizers import OptimizerRecord
from growsearch.registry import lookup

for _method in (Optimizer.add_param_group, Optimizer.zero_grad, Optimizer.state_dict, Optimizer.load_state_dict):
    spare_compiler(_method)

Schedule = Callable[[float], float]


def build_optimizer(spec: Mapping[str, Any], model: nn.Module) -> Optimizer:
    """Return the optimizer that `spec`, `{"name": NAME, **options}`, describes, over every trainable parameter.

    Raises `InputError` for a model without trainable parameters, for Muon on a parameter that is not a matrix, and for
    options that do not go together.
    """
    parameters = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    if not parameters:
        raise InputError("the network has no trainable parameters: nothing to optimize")
    options = {key: value for key, value in spec.items() if key != "name"}
    record: OptimizerRecord = make(lookup("optimizers", spec["name"]), options, f"optimizer {spec['name']!r}")
    return record.build(parameters)


def build_schedule(config: ScheduleConfig, total_steps: int) -> Schedule:
    """Factor on the learning rate as a function of the number of steps taken so far, or of other equal parts of a run.

    Linear warm-up over the first share `warmup` of the run, then `constant`, `cosine` down to `final` (Loshchilov and
    Hutter, ICLR 2017), `step`: times `factor` after each of the shares `milestones` of the run, or `wsd`: constant
    until the last share `decay` of the run, then to `final` as 1 - sqrt(x) (Haegele et al., NeurIPS 2024, equation 2).
    """
    warmup = math.ceil(config.warmup * total_steps)

    def factor(step: float) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        if config.name == "cosine":
            passed = (step - warmup) / max(1, total_steps - warmup)
            return config.final + (1 - config.final) * 0.5 * (1 + math.cos(math.pi * passed))
        if config.name == "wsd":
            cooling = config.decay * total_steps
            passed = max(0.0, step - (total_steps - cooling)) / cooling if cooling else 0.0
            return config.final + (1 - config.final) * (1 - math.sqrt(passed))
        return math.prod(config.factor for share in config.milestones if step >= share * total_steps)

    return factor


def parameter_order(optimizer: Optimizer, model: nn.Module, learned: nn.Module | None = None) -> list[list[str]]:
    """Names of the parameters of every group: an optimizer's state goes by this order, which growth may change.

    `learned` is what is trained beside the model: the numbers behind its sizes.
    """
    names = {id(parameter): name for name, parameter in _parameters(model, learned).items()}
    return [[names[id(parameter)] for parameter in group["params"]] for group in optimizer.param_groups]


def restore_order(
    optimizer: Optimizer, model: nn.Module, order: list[list[str]], learned: nn.Module | None = None
) -> None:
    """Put the parameters of a new optimizer into a saved `parameter_order`, before its state is loaded.

    Args:
        optimizer: one that was just made.
        model: whose parameters it trains.
        order: names of parameters, as a checkpoint has them.
        learned: a module whose parameters it trains beside.
    """
    parameters = _parameters(model, learned)
    for group, names in zip(optimizer.param_groups, order, strict=True):
        group["params"][:] = [parameters[name] for name in names]


def _parameters(model: nn.Module, learned: nn.Module | None) -> dict[str, Tensor]:
    beside = {} if learned is None else {f"sizes:{name}": each for name, each in learned.named_parameters()}
    return {**dict(model.named_parameters()), **beside}


def set_learning_rate(optimizer: Optimizer, factor: float) -> None:
    """Multiply every group's own initial learning rate by `factor`."""
    for group in optimizer.param_groups:
        group["lr"] = group.setdefault("initial_lr", group["lr"]) * factor
