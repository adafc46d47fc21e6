"""Make a pydantic model from values of a file, with errors a reader can act on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from growsearch.errors import InputError
from growsearch.pydantic_words import refusal
from growsearch.registry import nearest

Model = TypeVar("Model", bound=BaseModel)


def make(model: type[Model], values: Mapping[str, Any], owner: str) -> Model:
    """`model(**values)`; `InputError` with one line for every problem, each starting with `owner`."""
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        raise InputError("\n".join(problems(error, model, owner))) from None


def problems(error: ValidationError, model: type[BaseModel], owner: str) -> list[str]:
    """One line for every problem: where, what was found, what is allowed."""
    lines = []
    for item in error.errors(include_url=False):
        where = ".".join(map(str, item["loc"]))
        if item["type"] == "extra_forbidden":
            allowed = list(model.model_fields)
            listed = f"allowed are {', '.join(allowed)}" if allowed else "it takes none"
            lines.append(f"{owner}: unknown parameter {where!r}: {listed}{nearest(where, allowed)}")
        elif item["type"] == "missing":
            lines.append(f"{owner}: parameter {where!r} is missing")
        else:
            said = refusal(item).line(item["input"])
            lines.append(f"{owner}: {where}: {said}" if where else f"{owner}: {said}")
    return lines
