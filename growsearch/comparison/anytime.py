"""A growing run on its way: its quality over training FLOPs beside the best fixed size at each moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from growsearch.comparison.metric import VALIDATION, Metric
from growsearch.comparison.trajectory import Rows
from growsearch.statistics import difference_interval

_POINTS = 100  # of a curve
_FEWEST_ROWS = 10  # with fewer evaluations a first crossing says little

Logs = Mapping[str, Mapping[int, Rows]]  # rows of metrics.jsonl, by policy or control and seed
Curve = tuple[list[float], list[float]]  # training FLOPs, and a metric on validation data


@dataclass(frozen=True)
class Saving:
    """At which share of the final size's FLOPs the growing run first reached that network's own final value.

    Found on validation data, of `metric_words`, seed by seed; `share` is the mean, None where one of the `seeds` never
    `reached` it.
    """

    metric_words: str
    reached: int
    seeds: int
    share: float | None
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class Anytime:
    """Means over the seeds at the same training FLOPs, of a metric on validation data.

    `envelope` is the best of the fixed `sizes`' means at each of the `flops`; `difference` is `policy` minus that.
    """

    metric: str
    metric_words: str
    higher_is_better: bool
    percent: bool
    flops: tuple[float, ...]
    policy: tuple[float, ...]
    sizes: dict[str, tuple[float, ...]]
    envelope: tuple[float, ...]
    difference: tuple[float, ...]


def saving(metric: Metric, logs: Logs, policy: str, final: str, seeds: Sequence[int]) -> Saving | None:
    """Return what growing saved against the network of its final size; None with fewer than ten evaluations of a run.

    Args:
        metric: what policies are ranked by.
        logs: of policies and controls.
        policy: that grows.
        final: the control of its final size.
        seeds: that both finished.
    """
    shown = _recorded(metric, logs, [policy, final], seeds)
    if shown is None or any(len(_curve(logs[policy][seed], shown.key)[0]) < _FEWEST_ROWS for seed in seeds):
        return None
    sign = 1 if shown.higher_is_better else -1
    shares = []
    for seed in seeds:
        spent, values = _curve(logs[final][seed], shown.key)
        target = values[-1]
        points = zip(*_curve(logs[policy][seed], shown.key), strict=True)
        first = next((flops for flops, value in points if sign * value >= sign * target), None)
        shares.append(None if first is None else first / spent[-1])
    reached = [share for share in shares if share is not None]
    every = reached if len(reached) == len(seeds) else []
    return Saving(shown.words, len(reached), len(seeds), fmean(every) if every else None, difference_interval(every))


def anytime(metric: Metric, logs: Logs, policy: str, sizes: Sequence[str], seeds: Sequence[int]) -> Anytime | None:
    """Return the curves from where every run had been evaluated once to where the first of them ended.

    None where training was not evaluated on validation data, or there is no such range.

    Args:
        metric: what policies are ranked by.
        logs: of policies and controls.
        policy: that grows.
        sizes: controls of its sizes.
        seeds: that all finished.
    """
    names = [policy, *sizes]
    shown = _recorded(metric, logs, names, seeds) if sizes else None
    if shown is None:
        return None
    curves = {name: [_curve(logs[name][seed], shown.key) for seed in seeds] for name in names}
    every = [flops for own in curves.values() for flops, _ in own]
    low, high = max(flops[0] for flops in every), min(flops[-1] for flops in every)
    if low >= high:
        return None
    grid = np.linspace(low, high, _POINTS)
    means = {name: np.mean([np.interp(grid, *curve) for curve in own], axis=0) for name, own in curves.items()}
    best = np.max if shown.higher_is_better else np.min
    envelope = best([means[name] for name in sizes], axis=0)
    return Anytime(
        metric=shown.key,
        metric_words=shown.words,
        higher_is_better=shown.higher_is_better,
        percent=shown.percent,
        flops=tuple(map(float, grid)),
        policy=tuple(map(float, means[policy])),
        sizes={name: tuple(map(float, means[name])) for name in sizes},
        envelope=tuple(map(float, envelope)),
        difference=tuple(map(float, means[policy] - envelope)),
    )


def _recorded(metric: Metric, logs: Logs, names: Sequence[str], seeds: Sequence[int]) -> Metric | None:
    """The metric on validation data, or the loss, that the last row of every run has."""
    every = [logs.get(name, {}).get(seed, ()) for name in names for seed in seeds]
    if not every or not all(every):
        return None
    own = metric.on_validation()
    choices = {own.key: own, **VALIDATION}
    return next((one for one in choices.values() if all(rows[-1].get(one.key) is not None for rows in every)), None)


def _curve(rows: Rows, key: str) -> Curve:
    known = [row for row in rows if row.get(key) is not None]
    return [float(row["training_flops"]) for row in known], [float(row[key]) for row in known]
