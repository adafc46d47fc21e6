"""From a file's `task` mapping to a task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from growsearch.errors import InputError
from growsearch.networks.parameters import make
from growsearch.registry import lookup
from growsearch.tasks.task import Task


def make_task(spec: Mapping[str, Any] | None, default: Task) -> Task:
    """Return the task that `spec`, `{"name": NAME, **parameters}`, describes, or the data's own where it is None.

    Where it names the data's own task, what it leaves out is as it is there. Raises `InputError`.
    """
    if spec is None:
        return default
    values = dict(spec)
    name = values.pop("name", None)
    if not isinstance(name, str):
        raise InputError(f"task: needs a name, found {dict(spec)!r}")
    kind = lookup("tasks", name)
    if isinstance(default, kind):
        values = {**default.model_dump(exclude_none=True), **values}
    task: Task = make(kind, values, f"task {name!r}")
    return task
