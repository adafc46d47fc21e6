"""A file with ranges as Optuna's search space.

A parameter's name is its path in the plain file: `training.optimizer.lr`, or `growth.when.interval.every` for a
parameter of an option, which exists only in the trials that chose the option.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Protocol

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from growsearch.config.ranges import KEYED, is_range
from growsearch.config.space import SEARCHED
from growsearch.errors import InputError
from growsearch.registry import nearest
from growsearch.yaml_source import KeyPath

SECTIONS = SEARCHED

_Range = Mapping[str, Any]
Draw = Callable[[str, BaseDistribution], Any]


class Suggests(Protocol):
    """What draws values: an `optuna.Trial`."""

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float: ...

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int: ...

    def suggest_categorical(self, name: str, choices: Any) -> Any: ...


def suggested(data: Mapping[str, Any], trial: Suggests) -> dict[str, Any]:
    """The plain file that a trial stands for: every range replaced by what the trial draws for it."""

    def draw(name: str, distribution: BaseDistribution) -> Any:
        if isinstance(distribution, FloatDistribution):
            low, high = distribution.low, distribution.high
            return trial.suggest_float(name, low, high, step=distribution.step, log=distribution.log)
        if isinstance(distribution, IntDistribution):
            low, high = distribution.low, distribution.high
            return trial.suggest_int(name, low, high, step=distribution.step, log=distribution.log)
        assert isinstance(distribution, CategoricalDistribution)
        return trial.suggest_categorical(name, distribution.choices)

    return resolved(data, draw)


def resolved(data: Mapping[str, Any], draw: Draw) -> dict[str, Any]:
    """The plain file for which `draw` gives the value of every parameter, by its name, in the order of the file."""
    return {key: _resolve(data[key], (key,), (key,), draw) for key in SECTIONS if data.get(key) is not None}


def plain_of(data: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The plain file of a point; `LookupError` where the parameters are not those of a point of the space."""

    def draw(name: str, distribution: BaseDistribution) -> Any:
        if not _contains(distribution, parameters[name]):
            raise LookupError(name)
        return parameters[name]

    return resolved(data, draw)


def centre(data: Mapping[str, Any], preferred: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The plain file at every default; without one in the middle of a range (of its logarithm where it has `log`), and
    at the first option of a choice.

    `preferred` names other options for some choices, by parameter; a scheduler that grows is preferred to `never`.
    """
    known = {name: default for name, (default, _) in defaults(data).items()} | dict(preferred or {})

    def draw(name: str, distribution: BaseDistribution) -> Any:
        return _middle(name, distribution, known.get(name))

    return resolved(data, draw)


def parameters_of(data: Mapping[str, Any], plain: Mapping[str, Any]) -> dict[str, Any] | None:
    """The parameters for which `suggested` gives `plain`; None where the space does not hold it."""
    found: dict[str, Any] = {}
    same = all(_matches(data.get(key), plain.get(key), (key,), (key,), found) for key in SECTIONS)
    return found if same else None


def point_with(data: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the point with the given parameters, and the others at their defaults or in the middle.

    Raises `LookupError` with what is wrong where a value lies outside its range, or a name is none of the point's.
    """
    point: dict[str, Any] = {}
    known = defaults(data)

    def draw(name: str, distribution: BaseDistribution) -> Any:
        default, _ = known.get(name, (None, ""))
        point[name] = given.get(name, _middle(name, distribution, default))
        if not _contains(distribution, point[name]):
            raise LookupError(f"{name}: {point[name]!r} is outside {_words(distribution)}")
        return point[name]

    resolved(data, draw)
    for name in given:
        if name not in point:
            why = "belongs to an option that is not chosen" if name in distributions(data) else "is no parameter"
            raise LookupError(f"{name}: {why} (allowed: {', '.join(point)})")
    return point


def point_from(data: Mapping[str, Any], plain: Mapping[str, Any]) -> dict[str, Any]:
    """Return the point that a plain file has where this one leaves something open; what both fix may differ.

    Raises `LookupError` with what is wrong where the file has no such value, or one outside its range.
    """
    point: dict[str, Any] = {}
    for key in SECTIONS:
        _take(data.get(key), plain.get(key), (key,), (key,), point)
    return point


def distributions(data: Mapping[str, Any]) -> dict[str, BaseDistribution]:
    """All parameters with what they range over, those of every option included."""
    return {name: distribution_of(one) for name, one in _ranges(data).items()}


def require_inside(data: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Raise `InputError` where a parameter is none of the space's, or its value outside of its range."""
    known = distributions(data)
    for name, value in given.items():
        if name not in known:
            raise InputError(f"{name} is no parameter of the space{nearest(name, known)} (allowed: {', '.join(known)})")
        if not _contains(known[name], value):
            raise InputError(f"{name}: {value!r} is outside {_words(known[name])}")


def defaults(data: Mapping[str, Any]) -> dict[str, tuple[Any, str]]:
    """The parameters of which the file says where good values are expected, with that and the confidence in it."""
    return {
        name: (_label(one["default"]), one.get("confidence") or "medium")
        for name, one in _ranges(data).items()
        if one.get("default") is not None
    }


def _ranges(data: Mapping[str, Any]) -> dict[str, _Range]:
    """All ranges by the names of their parameters."""
    found: dict[str, _Range] = {}

    def visit(value: Any, name: KeyPath) -> None:
        if is_range(value):
            found[_dotted(name)] = value
            for option, parameters in (value.get("options") or {}).items():
                visit(parameters or {}, (*name, option))
        elif isinstance(value, Mapping | list):
            for key, child in _items(value):
                visit(child, (*name, key))

    for key in SECTIONS:
        visit(data.get(key), (key,))
    return found


def value_at(distribution: BaseDistribution, place: float) -> Any:
    """The value of a parameter below which so much of its range lies, 0 to 1; of its logarithm where it has `log`."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[min(int(place * len(distribution.choices)), len(distribution.choices) - 1)]
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    low, high, step = distribution.low, distribution.high, distribution.step
    if isinstance(distribution, IntDistribution) and distribution.log:
        low, high = low - 0.5, high + 0.5
    if distribution.log:
        value = math.exp(math.log(low) + place * (math.log(high) - math.log(low)))
    elif step is not None:
        count = round((high - low) / step) + 1
        value = low + min(int(place * count), count - 1) * step
    else:
        value = low + place * (high - low)
    value = min(max(value, distribution.low), distribution.high)
    return round(value) if isinstance(distribution, IntDistribution) else value


def place_in(distribution: FloatDistribution | IntDistribution, value: float) -> float:
    """How much of a range lies below a value, 0 to 1; of its logarithm where it has `log`."""
    low, high = distribution.low, distribution.high
    if distribution.log:
        low, high, value = math.log(low), math.log(high), math.log(value)
    return (value - low) / (high - low) if high > low else 0.5


def distribution_of(one: _Range) -> BaseDistribution:
    """What a range stands for, in Optuna's words; with a step the end is the last value that the steps reach."""
    if one["type"] == "choice":
        return CategoricalDistribution(_labels(one))
    low, high, log, step = one["low"], one["high"], one.get("log", False), one.get("step")
    if step is not None and not log:
        high = _last(low, high, step)
    if one["type"] == "int":
        return IntDistribution(int(low), int(high), log=log, step=step or 1)
    return FloatDistribution(float(low), float(high), log=log, step=step)


def _last(low: float, high: float, step: float) -> float:
    """The last value from `low` on that steps reach, exact in decimals, as Optuna has it."""
    first, last, one = (Decimal(str(value)) for value in (low, high, step))
    return float(first + (last - first) // one * one)


def _labels(choice: _Range) -> tuple[Any, ...]:
    """What Optuna keeps for a choice: option names, or values; lists and mappings as JSON."""
    if "options" in choice:
        return tuple(choice["options"])
    return tuple(_label(value) for value in choice["values"])


def _label(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | float | str) else json.dumps(value)


def _resolve(value: Any, path: KeyPath, name: KeyPath, draw: Draw) -> Any:
    """A tree without ranges; `path` is where it stands, `name` also has the options that were chosen on the way."""
    if not is_range(value):
        if isinstance(value, Mapping):
            return {key: _resolve(child, (*path, key), (*name, key), draw) for key, child in value.items()}
        if isinstance(value, list):
            return [_resolve(child, (*path, key), (*name, key), draw) for key, child in enumerate(value)]
        return value
    drawn = draw(_dotted(name), distribution_of(value))
    if value["type"] != "choice":
        return drawn
    if "values" in value:
        return value["values"][_labels(value).index(drawn)]
    parameters = _resolve(value["options"][drawn] or {}, path, (*name, drawn), draw)
    return {drawn: parameters} if path in KEYED else {"name": drawn, **parameters}


def _middle(name: str, distribution: BaseDistribution, preferred: Any) -> Any:
    if preferred is not None and _contains(distribution, preferred):
        return preferred
    if isinstance(distribution, CategoricalDistribution):
        growing = [label for label in distribution.choices if (name, label) != ("growth.when", "never")]
        return (growing or distribution.choices)[0]
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    low, high, step = distribution.low, distribution.high, distribution.step
    middle = math.sqrt(low * high) if distribution.log else (low + high) / 2
    if step is not None and not distribution.log:
        middle = low + round((middle - low) / step) * step
    return round(middle) if isinstance(distribution, IntDistribution) else middle


def _matches(value: Any, plain: Any, path: KeyPath, name: KeyPath, found: dict[str, Any]) -> bool:
    """Whether a plain tree is one of those that a tree stands for; notes the parameters of its ranges in `found`."""
    if is_range(value):
        return _chosen(value, plain, path, name, found)
    if isinstance(value, Mapping) and isinstance(plain, Mapping):
        keys = dict.fromkeys([*value, *plain])
        return all(_matches(value.get(k), plain.get(k), (*path, k), (*name, k), found) for k in keys)
    if isinstance(value, list) and isinstance(plain, list) and len(value) == len(plain):
        return all(_matches(value[k], plain[k], (*path, k), (*name, k), found) for k in range(len(value)))
    return bool(value == plain)


def _chosen(one: _Range, plain: Any, path: KeyPath, name: KeyPath, found: dict[str, Any]) -> bool:
    label = _label(plain)
    inside: Any = None
    if "options" in one:
        if not isinstance(plain, Mapping) or (path in KEYED and len(plain) != 1):
            return False
        label = next(iter(plain)) if path in KEYED else plain.get("name")
        if label not in one["options"]:
            return False
        inside = plain[label] if path in KEYED else {key: item for key, item in plain.items() if key != "name"}
    if not _contains(distribution_of(one), label):
        return False
    found[_dotted(name)] = label
    return "options" not in one or _matches(one["options"][label] or {}, inside or {}, path, (*name, label), found)


def _contains(distribution: BaseDistribution, label: Any) -> bool:
    if isinstance(distribution, CategoricalDistribution):
        return label in distribution.choices
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    if isinstance(label, bool) or not isinstance(label, int | float):
        return False
    steps = (label - distribution.low) / distribution.step if distribution.step is not None else 0
    return distribution.low <= label <= distribution.high and math.isclose(steps, round(steps), abs_tol=1e-9)


def _take(value: Any, plain: Any, path: KeyPath, name: KeyPath, point: dict[str, Any]) -> None:
    """Note in `point` what a plain tree has at the ranges of a tree; `LookupError` where it has nothing that fits."""
    if not is_range(value):
        for key, child in _items(value) if isinstance(value, Mapping | list) else ():
            _take(child, _child(plain, key), (*path, key), (*name, key), point)
        return
    distribution, label = distribution_of(value), _label(plain)
    named = next(iter(plain)) if path in KEYED and isinstance(plain, Mapping) and len(plain) == 1 else None
    if named is not None and not _contains(distribution, label):
        label = named
    elif "options" in value and isinstance(plain, Mapping):
        label = plain.get("name")
    if not _contains(distribution, label):
        raise LookupError(f"{_dotted(name)}: {plain!r} is outside {_words(distribution)}")
    point[_dotted(name)] = label
    inside = plain[label] if named is not None else plain
    _take((value.get("options") or {}).get(label), inside, path, (*name, label), point)


def _child(plain: Any, key: Any) -> Any:
    if isinstance(plain, Mapping):
        return plain.get(key)
    return plain[key] if isinstance(plain, list) and key < len(plain) else None


def _words(distribution: BaseDistribution) -> str:
    if isinstance(distribution, CategoricalDistribution):
        return ", ".join(map(str, distribution.choices))
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    step = f" in steps of {distribution.step:g}" if distribution.step not in (None, 1) else ""
    return f"{distribution.low:g} to {distribution.high:g}{step}"


def _items(value: Mapping[Any, Any] | list[Any]) -> Any:
    return value.items() if isinstance(value, Mapping) else enumerate(value)


def _dotted(path: KeyPath) -> str:
    return ".".join(map(str, path))
