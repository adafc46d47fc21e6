"""What growing was worth beside its controls, and which controls a comparison lacks."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from growsearch.comparison.controls import Control
from growsearch.comparison.metric import Metric, Policies, show_p
from growsearch.comparison.pairs import Pair, by_seed, paired, tested_together


def describe_controls(
    metric: Metric, policies: Policies, controls: Sequence[Control], rows: Policies
) -> dict[str, Any]:
    """`pairs` (each growing policy minus its control) and `sentences` of the verdict's `controls`.

    `rows` are those of the controls by name. All these comparisons are one family: their p-values are adjusted for
    each other, and apart from those of the comparisons with the reference.
    """
    both = {**policies, **rows}
    found = [(control, pair) for control in controls if (pair := paired(metric, both, control.of, control.name))]
    pairs = tested_together(metric, [pair for _, pair in found])
    sentences = [control_sentence(metric, control, both, pair) for (control, _), pair in zip(found, pairs, strict=True)]
    return {"pairs": [pair.plain() for pair in pairs], "sentences": sentences}


def control_sentence(metric: Metric, control: Control, rows: Policies, pair: Pair) -> str:
    """A policy and its control on the seeds that both finished; the change is the control's, ± its standard error."""
    ours, theirs = (by_seed(rows[name], metric) for name in (pair.policy, pair.against))
    seeds = [seed for seed in ours if seed in theirs]
    change = metric.show_change(-pair.mean_difference, unit=False)
    spread = "" if pair.standard_error is None else metric.show_change(pair.standard_error, unit=False)
    error = spread.replace("+", " ± ")
    unit = " points" if metric.percent else ""
    sure = show_p(pair.adjusted_p_value) if pair.call and pair.adjusted_p_value is not None else "not significant"
    return (
        f"{control.of} reaches {metric.show(fmean(ours[seed] for seed in seeds))}; {control.words} "
        f"{metric.show(fmean(theirs[seed] for seed in seeds))} ({change}{error}{unit}, {sure})."
    )
