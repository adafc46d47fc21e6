"""The trained sizes in the user's optimizers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from growsearch.errors import InputError
from growsearch.growth.trainable import require_followed
from growsearch.optimizers import OptimizerRecord, record_of


def home_of(optimizers: Sequence[Optimizer]) -> Optimizer:
    """The first optimizer that can train vectors; `InputError` where there is none, or one cannot follow a growth."""
    require_followed(optimizers)
    homes = []
    for optimizer in optimizers:
        if (record := record_of(optimizer)) is not None and not record.matrices_only:
            homes.append(optimizer)
    if not homes:
        kinds = ", ".join(type(optimizer).__name__ for optimizer in optimizers)
        raise InputError(f"sizes are no matrices, which {kinds} needs: give it together with another optimizer")
    return homes[0]


def add_groups(optimizer: Optimizer, groups: Iterable[Mapping[str, Any]]) -> None:
    """Add groups whose `params` are (name, parameter) pairs; the names are used where the optimizer has names."""
    named = "param_names" in optimizer.param_groups[0]
    for group in groups:
        params = group["params"] if named else [parameter for _, parameter in group["params"]]
        optimizer.add_param_group({**group, "params": params})
    if (record := record_of(optimizer)) is not None:
        _start(optimizer, record)


def remove_groups(optimizers: Iterable[Optimizer], parameters: Iterable[Tensor]) -> None:
    """Take the groups that hold only these parameters out again, with their state."""
    gone = {id(parameter): parameter for parameter in parameters}
    for optimizer in optimizers:
        groups = [g for g in optimizer.param_groups if not g["params"] or any(id(p) not in gone for p in g["params"])]
        optimizer.param_groups[:] = groups
        for parameter in gone.values():
            optimizer.state.pop(parameter, None)


def _start(optimizer: Optimizer, record: type[OptimizerRecord]) -> None:
    """Give new parameters the state that some optimizers make at their own start, but not for later groups."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if parameter not in optimizer.state and (state := record.first_state(parameter, group)):
                optimizer.state[parameter] = state
