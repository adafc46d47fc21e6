"""Spaces of few configurations: all of them, and whether all were tried."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from growsearch.search.space import resolved

MOST = 2000  # points of a space that are listed


def points(data: Mapping[str, Any], most: int = MOST) -> list[dict[str, Any]] | None:
    """The parameters of every configuration of a space; None where there are more than `most`, or a real range."""
    found: list[dict[str, Any]] = []
    open_: list[list[int]] = [[]]
    while open_:
        if len(found) == most:
            return None
        try:
            point, others = _point(data, open_.pop())
        except _Continuous:
            return None
        found.append(point)
        open_ += others
    return found


class _Continuous(Exception):
    """A range that has no next value."""


def _point(data: Mapping[str, Any], places: list[int]) -> tuple[dict[str, Any], list[list[int]]]:
    """The point with these places in its first ranges and 0 in the others, and the places of those that differ there.

    Ranges count in the order in which they are met: which are inside an option depends on the choices before.
    """
    point: dict[str, Any] = {}
    others: list[list[int]] = []
    path: list[int] = []

    def draw(name: str, distribution: BaseDistribution) -> Any:
        values = _values(distribution)
        if len(path) >= len(places):
            others.extend([*path, place] for place in range(len(values) - 1, 0, -1))
        path.append(places[len(path)] if len(path) < len(places) else 0)
        point[name] = values[path[-1]]
        return point[name]

    resolved(data, draw)
    return point, others


def _values(distribution: BaseDistribution) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    if distribution.single():
        return (distribution.low,)
    if isinstance(distribution, IntDistribution):
        return range(distribution.low, distribution.high + 1, distribution.step)
    if distribution.step is None:
        raise _Continuous
    count = round((distribution.high - distribution.low) / distribution.step) + 1
    return [min(distribution.high, distribution.low + index * distribution.step) for index in range(count)]
