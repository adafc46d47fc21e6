"""What is wrong with a file: problems with a path in it, made from pydantic's errors."""

from __future__ import annotations

import json
import types
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from growsearch.pydantic_words import UNKNOWN, Refusal, refusal, show
from growsearch.registry import closest
from growsearch.yaml_source import KeyPath

Model = TypeVar("Model", bound=BaseModel)
_WORDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    str: "text",
    bool: "true or false",
    Path: "a path",
    type(None): "null",
}


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, at a path of the file; with the key there itself, or with its value."""

    path: KeyPath
    message: str
    about_key: bool = False

    def at(self, path: KeyPath) -> Problem:
        """The same problem somewhere else."""
        return replace(self, path=path)


def problem(
    path: KeyPath, message: str, *, found: str | None = None, allowed: Iterable[str] = (), name: str | None = None
) -> Problem:
    """A problem whose message ends with what was found, what is allowed, and the name most like `name`.

    Args:
        path: in the file.
        message: what is wrong.
        found: what stands there.
        allowed: what may stand there.
        name: found name, for which the nearest allowed one is suggested.
    """
    allowed = list(allowed)
    details = [f"found {found}"] if found is not None else []
    details += [f"allowed {', '.join(allowed)}"] if allowed else []
    near = closest(name, allowed) if name else None
    details += [f"did you mean {near!r}?"] if near else []
    return Problem(path, f"{message} ({'; '.join(details)})" if details else message)


def check_model(model: type[Model], value: Any, path: KeyPath) -> tuple[Model | None, list[Problem]]:
    """Validate a section strictly (no string becomes a number); the model, or the problems with it.

    Going through JSON lets lists stand for tuples and strings for paths, as in a file, while "1" is no 1.
    """
    if not isinstance(value, Mapping):
        return None, [problem(path, "must be a mapping", found=show(value), allowed=model.model_fields)]
    try:
        return model.model_validate_json(json.dumps(value), strict=True), []
    except ValidationError as error:
        return None, _problems(error, model, value, path)


def _problems(error: ValidationError, model: type[BaseModel], value: Any, path: KeyPath) -> list[Problem]:
    """One problem a path: what the members of a union that all refused a value allow is joined by "or"."""
    refused: dict[KeyPath, tuple[Any, list[Refusal], bool]] = {}
    details = error.errors(include_url=False)
    places = [_locate(value, detail)[0] for detail in details]
    for detail in details:
        if detail["type"] == "too_short" and any(_is_inside(each["loc"], detail["loc"]) for each in details):
            continue  # since the entries that are refused do not count
        local, found = _locate(value, detail)
        if detail["type"] == "literal_error" and any(_is_inside(place, local) for place in places):
            continue  # another member of the union takes a mapping, and says what is wrong in it
        _, same, _ = refused.setdefault(local, (found, [], detail["type"] == "extra_forbidden"))
        if (one := _refusal(detail, model, local)) not in same:
            same.append(one)
    return [
        replace(_problem((*path, *local), found, same, about_key), about_key=about_key)
        for local, (found, same, about_key) in refused.items()
    ]


def _is_inside(loc: KeyPath, outer: KeyPath) -> bool:
    return len(loc) > len(outer) and loc[: len(outer)] == outer


def _locate(value: Any, detail: ErrorDetails) -> tuple[KeyPath, Any]:
    """The part of pydantic's location that is a path in the data: names of union members are dropped."""
    loc, path = detail["loc"], list[int | str]()
    for position, key in enumerate(loc):
        inside = (isinstance(value, Mapping) and key in value) or (
            isinstance(value, list) and isinstance(key, int) and key < len(value)
        )
        if inside:
            value = value[key]
            path.append(key)
        elif position == len(loc) - 1 and detail["type"] == "missing":
            path.append(key)
    return tuple(path), value


def _refusal(detail: ErrorDetails, model: type[BaseModel], local: KeyPath) -> Refusal:
    """One error, with the names of the fields, or what a missing one may be, where the model knows it."""
    if detail["type"] == "extra_forbidden":
        return Refusal(f"unknown key {str(local[-1])!r}", tuple(_fields(model, local[:-1])))
    if detail["type"] == "missing":
        return Refusal("missing", (_limits(model, local),))
    return refusal(detail)


def _problem(path: KeyPath, found: Any, refused: Sequence[Refusal], about_key: bool) -> Problem:
    """What all members of a union say of one value; a validator's own words stand as they are."""
    said = [one for one in refused if one.allowed]
    if not said:
        return Problem(path, " or ".join(one.message for one in refused))
    [first, *others] = said
    if about_key:
        return problem(path, first.message, allowed=first.allowed, name=str(path[-1]))
    if not others:
        name = str(found) if first.message == UNKNOWN else None
        return problem(path, first.message, found=show(found), allowed=first.allowed, name=name)
    allowed = " or ".join(", ".join(one.allowed) for one in said)
    return problem(path, first.message, found=show(found), allowed=[allowed])


def _limits(model: type[BaseModel], local: KeyPath) -> str:
    """What a missing field may be, in words, with what it is for where the class says so."""
    parent = _model_at(model, local[:-1])
    field = parent.model_fields.get(str(local[-1])) if parent else None
    if field is None:
        return "a value"
    return f"{_kind(field.annotation)}: {field.description}" if field.description else _kind(field.annotation)


def _kind(annotation: Any) -> str:
    """A type in words."""
    if annotation in _WORDS:
        return _WORDS[annotation]
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kind(parts[0])
    if origin is Literal:
        return ", ".join(map(str, parts))
    if origin in (Union, types.UnionType):
        return " or ".join(_kind(part) for part in parts)
    if origin in (list, tuple):
        return "a list"
    if origin is dict or isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "a mapping"
    return str(getattr(annotation, "__name__", annotation))


def _fields(model: type[BaseModel], local: KeyPath) -> list[str]:
    parent = _model_at(model, local)
    return list(parent.model_fields) if parent else []


def _model_at(model: type[BaseModel], local: KeyPath) -> type[BaseModel] | None:
    """The model that validates the mapping at a path below `model`."""
    current: type[BaseModel] | None = model
    for key in local:
        field = current.model_fields.get(str(key)) if current else None
        current = _model_in(field.annotation) if field else None
    return current


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (Union, types.UnionType, Annotated):
        return next((found for part in get_args(annotation) if (found := _model_in(part))), None)
    return None
