"""Numbers as every table and sentence has them: the same measure looks the same wherever it is shown."""

from __future__ import annotations

from collections.abc import Callable

_UNITS = ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def human(number: float) -> str:
    """Return a count with three digits and a unit: 1234567 is `1.23 M`."""
    for size, unit in _UNITS:
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number:.3g}"


def plural(count: int, word: str) -> str:
    """Return `1 seed`, `2 seeds`."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def counted(number: float) -> str:
    """Return a number of things with separators: 1234567 is `1,234,567`."""
    return f"{number:,.0f}"


def percentage(share: float) -> str:
    """Return a share in per cent with two digits, without the sign: 0.9672 is `96.72`."""
    return f"{100 * share:.2f}"


def decimal(value: float) -> str:
    """Return a loss, or what else is no share, with four digits behind the point; fewer of a large, more of a tiny one.

    0.5 is `0.5000`, 15000 is `15,000.0`, and 0.000012 is `1.2e-05`.
    """
    size = abs(value)
    if size >= 100:
        return f"{value:,.1f}"
    return f"{value:.4f}" if size >= 0.001 or size == 0 else f"{value:.3g}"


def with_error(number: Callable[[float], str], value: float, error: float | None, unit: str) -> str:
    """Return a number, the error around it where it has one, and the unit of both.

    Args:
        number: how both are written.
        value: the number.
        error: around it; None where there is none.
        unit: behind both.
    """
    return f"{number(value)}{'' if error is None else f' ± {number(error)}'}{unit}"


# How each measure is written, and the unit behind it; what is not here is a loss.
_FORMATS: dict[str, tuple[Callable[[float], str], str]] = {
    "accuracy": (percentage, " %"),
    "parameters": (counted, ""),
    "active_parameters": (counted, ""),
    "flops": (human, ""),
    "training_flops": (human, ""),
    "seconds": ("{:.1f}".format, ""),
}


def show_measure(name: str, value: float, error: float | None = None) -> str:
    """Return a measure by its name, with its error where it has one: `96.72 ± 0.35 %`, `23,946`, `1.23 G`."""
    number, unit = _FORMATS.get(name.removeprefix("validation_").removeprefix("test_"), (decimal, ""))
    return with_error(number, value, error, unit)
