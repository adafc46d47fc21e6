"""Ranges: where a file leaves a value open for a search, and the plain files that a range stands for.

`{type: float|int, low, high}` stands for every number between its ends, `{type: choice, values: [...]}` for one of
some values, and `{type: choice, options: {name: parameters}}` for one of some strategies, networks, data sets,
optimizers or schedules, each with parameters (and ranges) of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from growsearch.config.models import Section
from growsearch.config.problems import Problem, check_model, problem
from growsearch.pydantic_words import show
from growsearch.yaml_source import KeyPath

KEYED = {("growth", part) for part in ("when", "where", "how", "soft")}
NAMED = {("data",), ("network",), ("training", "optimizer"), ("training", "schedule")}


class _Expected(Section):
    """Where good values are expected, and how surely: searches look there more often, as long as it pays."""

    default: Any = Field(None, description="where good values are expected")
    confidence: Literal["low", "medium", "high"] | None = Field(None, description="in the default; null: medium")

    @model_validator(mode="after")
    def _confidence_in_something(self) -> Self:
        if self.confidence is not None and self.default is None:
            raise ValueError("confidence is in a default: give one")
        return self


class FloatRange(_Expected):
    """A real number between two ends, both included."""

    type: Literal["float"]
    low: float
    high: float
    default: float | None = Field(None, description="where good values are expected")
    log: bool = Field(False, description="search on a logarithmic scale")
    step: float | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _ends(self) -> Self:
        _check_ends(self.low, self.high, self.log)
        if self.log and self.step is not None:
            raise ValueError("a range has log or step, not both")
        _check_default(self.default, self.low, self.high, self.step)
        return self


class IntRange(_Expected):
    """A whole number between two ends, both included."""

    type: Literal["int"]
    low: int
    high: int
    default: int | None = Field(None, description="where good values are expected")
    log: bool = Field(False, description="search on a logarithmic scale")
    step: int = Field(1, ge=1)

    @model_validator(mode="after")
    def _ends(self) -> Self:
        _check_ends(self.low, self.high, self.log)
        if self.log and self.step != 1:
            raise ValueError("a range has log or step, not both")
        _check_default(self.default, self.low, self.high, self.step)
        return self


class Choice(_Expected):
    """One of some values, or one of some named options with parameters of their own."""

    type: Literal["choice"]
    values: tuple[Any, ...] | None = Field(None, min_length=1)
    options: dict[str, dict[str, Any] | None] | None = Field(None, min_length=1)

    @model_validator(mode="after")
    def _values_or_options(self) -> Self:
        if (self.values is None) == (self.options is None):
            raise ValueError("a choice has exactly one of values and options")
        offered = self.values if self.values is not None else tuple(self.options or ())
        if self.default is not None and self.default not in offered:
            allowed = ", ".join(map(str, offered))
            raise ValueError(f"default must be one of what is offered (found {self.default}, allowed {allowed})")
        return self


RANGES: dict[str, type[FloatRange] | type[IntRange] | type[Choice]] = {
    "float": FloatRange,
    "int": IntRange,
    "choice": Choice,
}


def _check_ends(low: float, high: float, log: bool) -> None:
    if low > high:
        raise ValueError(f"low must not be above high (found low {low:g}, high {high:g})")
    if log and low <= 0:
        raise ValueError(f"a range with log needs a low above 0 (found {low:g})")


def _check_default(default: float | None, low: float, high: float, step: float | None) -> None:
    if default is None:
        return
    if not low <= default <= high:
        raise ValueError(f"default must be between low and high (found {default:g}, low {low:g}, high {high:g})")
    steps = (default - low) / step if step is not None else 0
    if not math.isclose(steps, round(steps), abs_tol=1e-9):
        raise ValueError(f"default must be one that steps of {step:g} from low reach (found {default:g}, low {low:g})")


def is_range(value: Any) -> bool:
    """Whether a value of a file is meant as a range, well formed or not."""
    if not isinstance(value, Mapping):
        return False
    keys = set(value)
    return value.get("type") in tuple(RANGES) or {"low", "high"} <= keys or ("type" in keys and bool(keys & _SIGNS))


_SIGNS = {"low", "high", "values", "options"}


def find_ranges(value: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Mapping[str, Any]]]:
    """The ranges of a tree with their paths, not those inside another range's options; a file itself is none."""
    if path and is_range(value):
        yield path, value
    elif isinstance(value, Mapping):
        for key, child in value.items():
            yield from find_ranges(child, (*path, key))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from find_ranges(child, (*path, index))


def check_range(value: Mapping[str, Any], path: KeyPath) -> list[Problem]:
    """What is wrong with a range itself."""
    kind = value.get("type")
    if not isinstance(kind, str) or kind not in RANGES:
        found = show(kind) if kind is not None else "no type"
        return [problem((*path, "type"), "unknown type of range", found=found, allowed=RANGES, name=str(kind))]
    _, problems = check_model(RANGES[kind], value, path)
    if not problems and "options" in value and path not in KEYED | NAMED:
        message = "options stand where a strategy, network, data set, optimizer or schedule is named; use values here"
        return [Problem((*path, "options"), message)]
    return problems or _check_values(value.get("values") or (), (*path, "values"))


def _check_values(values: Any, path: KeyPath) -> list[Problem]:
    """A choice's values are taken as they are: none holds a range, and none is there twice."""
    problems = []
    for index, value in enumerate(values):
        message = "a range inside a choice's value is not searched: write the values out, or give it a key of its own"
        problems += [Problem(where, message) for where, _ in find_ranges(value, (*path, index))]
        if any(type(value) is type(other) and value == other for other in values[:index]):
            problems.append(problem((*path, index), "is there twice", found=show(value)))
    return problems


@dataclass(frozen=True)
class _Rewrite:
    """How the path of a plain file leads back into the range that a value was taken from."""

    at: KeyPath
    inside: KeyPath
    named: bool = False

    def source(self, path: KeyPath) -> KeyPath:
        if path[: len(self.at)] != self.at:
            return path
        rest = path[len(self.at) :]
        if self.named and rest[:1] == ("name",):
            rest = rest[1:]
        return (*self.at, *self.inside, *rest)


@dataclass(frozen=True)
class Variant:
    """A plain file: one with a value in the place of every range."""

    data: dict[str, Any]
    rewrites: tuple[_Rewrite, ...]

    def source(self, path: KeyPath) -> KeyPath:
        """The path in the file with ranges, for a path in this one."""
        for rewrite in reversed(self.rewrites):
            path = rewrite.source(path)
        return path


def first_variant(data: dict[str, Any]) -> Variant:
    """Every range at its low end or first option."""
    plain, rewrites = _settle(data, ())
    return Variant(plain, rewrites)


def variants(data: dict[str, Any]) -> Iterator[Variant]:
    """Plain files that together visit both ends of every range and every value and option of every choice."""
    yield from _visit(data, ())


def _visit(data: dict[str, Any], rewrites: tuple[_Rewrite, ...]) -> Iterator[Variant]:
    found = list(find_ranges(data))
    if not found:
        yield Variant(data, rewrites)
        return
    settled = {path: _settle(value, path) for path, value in found}
    for path, value in found:
        others = [(other, plain) for other, (plain, _) in settled.items() if other != path]
        known = tuple(rewrite for other, (_, more) in settled.items() if other != path for rewrite in more)
        for alternative, rewrite in _alternatives(value, path):
            changed = data
            for where, plain in [*others, (path, alternative)]:
                changed = put(changed, where, plain)
            yield from _visit(changed, (*rewrites, *known, rewrite))


def _settle(value: Any, path: KeyPath) -> tuple[Any, tuple[_Rewrite, ...]]:
    if path and is_range(value):
        alternative, rewrite = _alternatives(value, path)[0]
        plain, more = _settle(alternative, path)
        return plain, (rewrite, *more)
    if not isinstance(value, dict | list):
        return value, ()
    items = value.items() if isinstance(value, dict) else enumerate(value)
    settled = [(key, *_settle(child, (*path, key))) for key, child in items]
    rewrites = tuple(rewrite for _, _, more in settled for rewrite in more)
    if isinstance(value, dict):
        return {key: plain for key, plain, _ in settled}, rewrites
    return [plain for _, plain, _ in settled], rewrites


def _alternatives(value: Mapping[str, Any], path: KeyPath) -> list[tuple[Any, _Rewrite]]:
    """The values to look at; None alone for a range that is itself wrong (its problems are reported apart)."""
    if check_range(value, path):
        return [(None, _Rewrite(path, ()))]
    if value["type"] != "choice":
        kind = float if value["type"] == "float" else int
        return [(kind(value[end]), _Rewrite(path, (end,))) for end in ("low", "high")]
    if "values" in value:
        return [(one, _Rewrite(path, ("values", index))) for index, one in enumerate(value["values"])]
    if path in KEYED:
        return [({name: chosen}, _Rewrite(path, ("options",))) for name, chosen in value["options"].items()]
    return [
        ({"name": name, **(chosen or {})}, _Rewrite(path, ("options", name), named=True))
        for name, chosen in value["options"].items()
    ]


def put(tree: Any, path: KeyPath, value: Any) -> Any:
    """A copy of a tree with another value at a path; what is not on the path is shared."""
    if not path:
        return value
    copy = tree.copy()
    copy[path[0]] = put(tree[path[0]], path[1:], value)
    return copy
