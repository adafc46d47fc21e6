"""How large a network is to become: sizes, or multiples of those that it has."""

from __future__ import annotations

from dataclasses import dataclass

from growsearch.arguments import require_whole
from growsearch.errors import InputError

Wish = int | float
"""A whole number is a size; a number with a point is a multiple of the size that there is."""


@dataclass(frozen=True)
class Wishes:
    """What is wished for each axis of a transformer; None: as it is.

    `mlp` and `residual` become the nearest multiple of `round_to`. Raises `InputError` where that is below 1.
    """

    depth: Wish | None = None
    heads: Wish | None = None
    mlp: Wish | None = None
    residual: Wish | None = None
    round_to: int = 1

    def __post_init__(self) -> None:
        require_whole("round_to", self.round_to, 1, ", such as 64")

    @property
    def given(self) -> dict[str, Wish]:
        """Those that are given, by name."""
        wishes = {name: wish for name, wish in vars(self).items() if name != "round_to"}
        return {name: wish for name, wish in wishes.items() if wish is not None}


def parse_size(text: str, option: str) -> Wish:
    """Return the wish that a user wrote: `24` is a size, `1.5`, `2.0` and `2x` are multiples.

    Raises `InputError` where it is neither.
    """
    number = text.strip().removesuffix("x")
    try:
        return int(number) if number == text.strip() and number.isdigit() else _finite(float(number))
    except ValueError:
        raise InputError(
            f"{option} {text}: not a size (allowed: a whole number such as 24, or a multiple such as 1.5 or 2x)"
        ) from None


def reached(now: int, wish: Wish, what: str, multiple: int = 1) -> int:
    """Return the size that `wish` means where there are `now`: the nearest `multiple`, unless that is 1.

    Raises `InputError` where that is no whole number, or smaller than it is.

    Args:
        now: the size that there is.
        wish: a size, or a multiple of `now`.
        what: is meant, for messages.
        multiple: of which a size is to be one.
    """
    if isinstance(wish, bool) or not wish > 0:
        raise InputError(f"{what}: {wish!r} is no size: give a whole number, or a multiple such as 1.5")
    exact = now * wish if isinstance(wish, float) else wish
    size = round(exact)
    if multiple > 1 and exact >= now:
        return max(int(exact / multiple + 0.5), -(-now // multiple)) * multiple
    if abs(exact - size) > 1e-6 * now:
        low = int(exact)
        near = f"{low} or {low + 1}" if low > now else f"{low + 1}"
        raise InputError(f"{what}: {wish:g} times {now} is {exact:g}, which cannot be reached: choose {near}")
    if size < now:
        raise InputError(
            f"{what}: there are {now} already, and upscaling only adds: choose more than {now}, not {size}"
        )
    return size


def _finite(value: float) -> float:
    if not 0 < value < float("inf"):
        raise ValueError
    return value
