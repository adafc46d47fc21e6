"""The branches compared: `with` minus each other one, by the statistics of `growsearch.comparison`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

import numpy as np

from growsearch.audit.records import Along, Branch, Comparison
from growsearch.comparison.metric import VALIDATION, Metric, Policies
from growsearch.comparison.pairs import Pair, all_pairs
from growsearch.statistics import difference_interval

METRICS = {"train_loss": Metric("train_loss", "training loss", False), **VALIDATION}
MAIN = ("validation_loss", "train_loss")  # a loss: it moves with every sample, where accuracy counts whole ones
WITH = "with"


def main_metric(branches: Sequence[Branch]) -> str:
    """What differences are tested in: validation loss, or training loss where there is no validation split."""
    return next(key for key in MAIN if key in _metrics(branches))


def comparisons(branches: Sequence[Branch]) -> list[Comparison]:
    """`with` minus each other branch: every metric after equally many steps, and at equal training FLOPs.

    Tested, all together, are the differences in the main metric after equally many steps.
    """
    main = main_metric(branches)
    found = []
    for key in _metrics(branches):
        finals = {one.name: {seed: _last(rows, key) for seed, rows in _by_seed(one)} for one in branches}
        found.append(_compared(METRICS[key], finals, key == main))
    for key in _metrics(branches):
        found.append(Comparison(key, "flops", False, [p for one in branches for p in _equal_flops(branches, one, key)]))
    return found


def along(branches: Sequence[Branch]) -> list[Along]:
    """The differences in every metric at each row of the trajectory."""
    reference = next(one for one in branches if one.name == WITH)
    return [
        _along(reference, one, key) for key in _metrics(branches) for one in branches if one.name != WITH and one.seeds
    ]


def _metrics(branches: Sequence[Branch]) -> list[str]:
    last = next((rows[-1] for one in branches for rows in one.rows), None) or {}
    return [key for key in METRICS if key in last]


def _by_seed(branch: Branch) -> list[tuple[int, list[dict[str, float]]]]:
    return list(zip(branch.seeds, branch.rows, strict=True))


def _last(rows: Sequence[dict[str, float]], key: str) -> float:
    return rows[-1][key]


def _compared(metric: Metric, values: dict[str, dict[int, float]], tested: bool, at: str = "steps") -> Comparison:
    """From each branch's values by seed; a pair is seen from `with`."""
    policies: Policies = {n: {"seeds": list(own), metric.key: list(own.values())} for n, own in values.items()}
    pairs = [pair.turned() for pair in all_pairs(metric, policies, WITH) if pair.against == WITH]
    if not tested:
        pairs = [replace(pair, adjusted_p_value=None, direction=None) for pair in pairs]
    return Comparison(metric.key, at, tested, pairs)


def _equal_flops(branches: Sequence[Branch], other: Branch, key: str) -> list[Pair]:
    """`with` minus another branch where both have spent what the cheaper one of the two had spent at its end."""
    if other.name == WITH:
        return []
    reference = next(one for one in branches if one.name == WITH)
    theirs = dict(_by_seed(other))
    values: dict[str, dict[int, float]] = {WITH: {}, other.name: {}}
    for seed, rows in _by_seed(reference):
        if seed in theirs:
            spent = min(rows[-1]["training_flops"], theirs[seed][-1]["training_flops"])
            values[WITH][seed] = _at_flops(rows, key, spent)
            values[other.name][seed] = _at_flops(theirs[seed], key, spent)
    return _compared(METRICS[key], values, False).pairs


def _at_flops(rows: Sequence[dict[str, float]], key: str, flops: float) -> float:
    """On the straight lines between the rows."""
    known = [row for row in rows if row[key] is not None]
    return float(np.interp(flops, [row["training_flops"] for row in known], [row[key] for row in known]))


def _along(reference: Branch, other: Branch, key: str) -> Along:
    theirs = dict(_by_seed(other))
    pairs = [(rows, theirs[seed]) for seed, rows in _by_seed(reference) if seed in theirs]
    steps, means, intervals = [], [], []
    for place, row in enumerate(pairs[0][0] if pairs else []):
        if row[key] is None:
            continue
        differences = [one[place][key] - two[place][key] for one, two in pairs]
        steps.append(int(row["step"]))
        means.append(fmean(differences))
        intervals.append(difference_interval(differences))
    return Along(key, other.name, steps, means, intervals)
