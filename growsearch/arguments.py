"""Arguments of calls from Python: what nothing could be done with is told before anything is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from growsearch.errors import InputError

_SEEDS = 2**63  # torch's and numpy's generators take what fits in 64 bits with a sign


def require_whole(name: str, value: Any, least: int, example: str = "") -> None:
    """`InputError` unless `value` is a whole number of at least `least`.

    Args:
        name: of the argument, which begins the message.
        value: that was given.
        least: that is allowed.
        example: ends the message.
    """
    if type(value) is not int or value < least:
        raise InputError(f"{name}: {value!r} is not allowed: give a whole number of at least {least}{example}")


def require_seed(value: Any) -> None:
    """`InputError` unless `value` seeds a generator."""
    if type(value) is not int or not -_SEEDS <= value < _SEEDS:
        raise InputError(f"seed: {value!r} is not allowed: give a whole number of at most 63 bits")


def require_mapping(name: str, value: Any, example: str) -> None:
    """`InputError` unless `value` is a mapping; the message shows an example of one."""
    if not isinstance(value, Mapping):
        raise InputError(f"{name}: {value!r} is not allowed: give a mapping, such as {example}")


def require_iterable(name: str, value: Any) -> None:
    """`InputError` unless `value` can be gone through."""
    if not hasattr(value, "__iter__") and not hasattr(value, "__getitem__"):
        raise InputError(f"{name}: {value!r} is not allowed: give a list")


def require_numbers(name: str, values: Mapping[str, Any]) -> None:
    """`InputError` unless `float` takes every value; NaN and infinity are numbers."""
    for key, value in values.items():
        try:
            float(value)
        except (TypeError, ValueError, RuntimeError):  # the last: a tensor of several numbers
            raise InputError(f"{name}: {key}={value!r} is no number") from None


def require_again(name: str, value: Iterable[Any] | None) -> None:
    """`InputError` for what can be iterated only once, such as a generator."""
    if isinstance(value, Iterator):
        raise InputError(
            f"{name}: a {type(value).__name__} can be gone through once only, and every event begins anew: give a "
            "list, a DataLoader, or anything else whose iter() starts again"
        )


def path_of(name: str, value: Any) -> Path:
    """A path that was given; `InputError` for anything else."""
    if not isinstance(value, str | Path):
        raise InputError(f"{name}: {value!r} is not allowed: give a path")
    return Path(value)
