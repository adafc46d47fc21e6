"""Errors of pydantic in our words: what is wrong with a value, what was found, what is allowed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import ErrorDetails

UNKNOWN = "unknown value"  # of which the nearest allowed one may be meant
WHOLE = "a whole number"
_KINDS = {
    WHOLE: ("int_type", "int_parsing", "int_parsing_size", "int_from_float"),
    "a number": ("float_type", "float_parsing"),
    "a finite number": ("finite_number",),
    "text": ("string_type", "string_sub_type", "string_unicode"),
    "true or false": ("bool_type", "bool_parsing"),
    "a list": ("list_type", "tuple_type", "set_type", "frozen_set_type", "iterable_type"),
    "a mapping": ("dict_type", "mapping_type", "model_type", "model_attributes_type", "dataclass_type"),
    "a path": ("path_type",),
    "null": ("none_required",),
}
_BY_TYPE = {each: words for words, types in _KINDS.items() for each in types}
_RANGES = {
    "greater_than": ("gt", "more than {}"),
    "greater_than_equal": ("ge", "{} or more"),
    "less_than": ("lt", "less than {}"),
    "less_than_equal": ("le", "{} or less"),
    "multiple_of": ("multiple_of", "multiples of {}"),
}
_LENGTHS = {
    "too_short": ("too short", "min_length", "{} or more entries"),
    "too_long": ("too long", "max_length", "{} or fewer entries"),
    "string_too_short": ("too short", "min_length", "{} or more characters"),
    "string_too_long": ("too long", "max_length", "{} or fewer characters"),
    "string_pattern_mismatch": ("of another form", "pattern", "text like {}"),
}
_OTHERS: Mapping[str, Callable[[ErrorDetails], Refusal]] = {
    "missing": lambda detail: Refusal("missing"),
    "extra_forbidden": lambda detail: Refusal(f"unknown key {str(detail['loc'][-1])!r}"),
    "literal_error": lambda detail: Refusal(UNKNOWN, _choices(detail)),
    "enum": lambda detail: Refusal(UNKNOWN, _choices(detail)),
    "is_instance_of": lambda detail: Refusal("wrong kind of value", (f"a {detail['ctx']['class']}",)),
    "value_error": lambda detail: Refusal(detail["msg"].removeprefix("Value error, ")),
    "assertion_error": lambda detail: Refusal(detail["msg"].removeprefix("Assertion failed, ")),
}
KNOWN = frozenset((*_BY_TYPE, *_RANGES, *_LENGTHS, *_OTHERS))


@dataclass(frozen=True)
class Refusal:
    """What is wrong with a value, and what is allowed; nothing where a validator of the class has said it all."""

    message: str
    allowed: tuple[str, ...] = ()

    def line(self, found: Any) -> str:
        """Return it as text: `out of range (found -1; allowed more than 0)`."""
        allowed = f" (found {show(found)}; allowed {', '.join(self.allowed)})" if self.allowed else ""
        return f"{self.message}{allowed}"


def refusal(detail: ErrorDetails) -> Refusal:
    """Return one of pydantic's errors in our words; in its own where a class of the user's makes one that we do not."""
    kind = detail["type"]
    if kind in _BY_TYPE:
        return Refusal("wrong kind of value", (_BY_TYPE[kind],))
    if kind in _RANGES:
        key, words = _RANGES[kind]
        return Refusal("out of range", (words.format(_number(detail["ctx"][key])),))
    if kind in _LENGTHS:
        message, key, words = _LENGTHS[kind]
        return Refusal(message, (words.format(detail["ctx"][key]),))
    if kind in _OTHERS:
        return _OTHERS[kind](detail)
    message = detail["msg"].replace("Input should be", "must be")
    return Refusal(message[:1].lower() + message[1:])


def show(value: Any) -> str:
    """Return a value as short text for a message."""
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else text[:57] + "..."


def _choices(detail: ErrorDetails) -> tuple[str, ...]:
    return tuple(part.strip("'") for part in detail["ctx"]["expected"].replace(" or ", ", ").split(", "))


def _number(limit: Any) -> str:
    return f"{limit:g}" if isinstance(limit, float) else str(limit)
