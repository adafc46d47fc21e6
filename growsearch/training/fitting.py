"""Whether data, task and network fit each other, before anything trains."""

from __future__ import annotations

from torch import nn

from growsearch.data import DataSet
from growsearch.errors import InputError
from growsearch.training.compute import output_shape


def require_fit(model: nn.Module, data: DataSet) -> None:
    """Raise `InputError` unless the task can learn these data, and the network gives what the task takes."""
    task, name = data.task, type(data.task).__name__.lower()
    reason = task.mismatch(data.train.inputs[:1], data.train.targets[:1])
    if reason is not None:
        raise InputError(f"task {name} does not fit data {data.name!r}: {reason}")
    example = data.example()
    wanted = (len(example), *task.output_shape(data.input_shape, data.outputs))
    try:
        found = output_shape(model, example)
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        shown = f"{str(example.dtype).removeprefix('torch.')} of shape {list(example.shape)}"
        raise InputError(f"the network cannot read data {data.name!r}, {shown}: {error}") from error
    if found != wanted:
        shown = "no tensor" if found is None else f"shape {list(found)}"
        raise InputError(
            f"the network gives {shown} for {len(example)} samples of data {data.name!r}, but task {name} takes shape "
            f"{list(wanted)}: choose another network, or another task"
        )
