"""The record of an optimizer object."""

from __future__ import annotations

from functools import cache

from torch.optim import Optimizer

from growsearch.optimizers.record import OptimizerRecord
from growsearch.registry import lookup, names


def record_of(optimizer: Optimizer) -> type[OptimizerRecord] | None:
    """Return the record of the optimizer's class, or of the nearest one that it extends; None where there is none."""
    records = _by_class(tuple(names("optimizers")))
    return next((records[kind] for kind in type(optimizer).__mro__ if kind in records), None)


def offered_names() -> list[str]:
    """Return the names that a file can give: those of records that are not refused, sorted."""
    return [name for name in names("optimizers") if _record(name).refused is None]


@cache
def _by_class(registered: tuple[str, ...]) -> dict[type, type[OptimizerRecord]]:
    return {_record(name).kind: _record(name) for name in registered}


def _record(name: str) -> type[OptimizerRecord]:
    record: type[OptimizerRecord] = lookup("optimizers", name)
    return record
