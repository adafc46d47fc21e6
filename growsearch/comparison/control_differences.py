"""Policies beside their controls: by how much they differ, and at what cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from growsearch.comparison.controls import Control, in_envelope
from growsearch.comparison.found_controls import lacking_controls, lacking_sentence
from growsearch.comparison.metric import Metric, Policies, show_p
from growsearch.comparison.pairs import Pair, by_seed, paired, tested_together
from growsearch.comparison.wording import ONE_SEED

Found = dict[str, dict[str, str | None]]  # the policy or control that is a kind of control, by growing policy and kind


@dataclass(frozen=True)
class ControlRuns:
    """What a comparison has to control its growing policies: `found` also among the policies themselves.

    `planned` are those that the file asked for, `rows` their lists over the seeds by name.
    """

    planned: tuple[Control, ...] = ()
    rows: Policies = field(default_factory=dict)
    found: Found = field(default_factory=dict)


@dataclass(frozen=True)
class ControlDifference:
    """A policy minus its `control` on the same seeds, None where they share none.

    `flops` and `seconds` are the policy's, as multiples of the control's.
    """

    control: str
    difference: float | None
    interval: tuple[float, float] | None
    flops: float
    seconds: float

    @property
    def cost(self) -> str:
        """Both multiples in words."""
        return f"with {self.flops:.2g} times its training FLOPs and {self.seconds:.2g} times its seconds"

    @property
    def sure(self) -> bool:
        """Whether the interval leaves no doubt about the sign."""
        return self.interval is not None and not self.interval[0] <= 0.0 <= self.interval[1]


@dataclass(frozen=True)
class ControlConclusions:
    """What the controls say: tests of those that the file asked for in `pairs`, and a sentence on each of these.

    `differences` are of the policies or controls in `found`; `lacking` are the growing policies that a kind of control
    lacks for.
    """

    pairs: tuple[Pair, ...]
    sentences: tuple[str, ...]
    found: Found
    differences: dict[str, dict[str, ControlDifference | None]]
    lacking: dict[str, list[str]]
    lacking_sentence: str | None


class Differences:
    """How any two policies or controls differ, from their lists over the seeds and their pairs."""

    def __init__(self, rows: Policies, pairs: Iterable[Pair]) -> None:
        self._rows = rows
        self._pairs = {(pair.policy, pair.against): pair for pair in pairs}

    def between(self, policy: str, control: str) -> ControlDifference:
        """Return how one policy stands beside another, or beside a control."""
        ours, theirs = self._rows[policy], self._rows[control]
        flops, seconds = (fmean(ours[key]) / fmean(theirs[key]) for key in ("training_flops", "seconds"))
        if policy == control:
            return ControlDifference(control, 0.0, None, flops, seconds)
        turned = self._pairs.get((control, policy))
        pair = self._pairs.get((policy, control)) or (turned and turned.turned())
        if pair is None:
            return ControlDifference(control, None, None, flops, seconds)
        return ControlDifference(control, pair.mean_difference, pair.interval, flops, seconds)


def conclude_controls(
    metric: Metric, policies: Policies, pairs: Sequence[Pair], controls: ControlRuns
) -> ControlConclusions:
    """Compare every growing policy with its controls, and say which lack.

    The tests of the controls that the file asked for, but for the envelope's sizes, are one family: their p-values are
    adjusted for each other, and apart from those of the comparisons with the reference.

    Args:
        metric: What policies are ranked by.
        policies: Lists over the seeds, by policy.
        pairs: Of every two policies.
        controls: What there is to compare with.
    """
    both = {**policies, **controls.rows}
    sizes = [one for one in controls.planned if in_envelope(one, controls.planned)]
    family = [one for one in controls.planned if one not in sizes]
    asked = [(one, pair) for one in family if (pair := paired(metric, both, one.of, one.name))]
    tested = tested_together(metric, [pair for _, pair in asked])
    beside = [pair for one in sizes if (pair := paired(metric, both, one.of, one.name))]
    known = Differences(both, [*pairs, *tested, *beside])
    lacking = lacking_controls(controls.found)
    return ControlConclusions(
        pairs=tuple(tested),
        sentences=tuple(_sentence(metric, one, both, pair) for (one, _), pair in zip(asked, tested, strict=True)),
        found=controls.found,
        differences={
            policy: {kind: None if name is None else known.between(policy, name) for kind, name in own.items()}
            for policy, own in controls.found.items()
        },
        lacking=lacking,
        lacking_sentence=lacking_sentence(lacking, len(controls.found)) if len(policies) > 1 else None,
    )


def _sentence(metric: Metric, control: Control, rows: Mapping[str, dict[str, list[float]]], pair: Pair) -> str:
    """A policy and its control on the seeds that both finished; the change is the control's, ± its standard error."""
    ours, theirs = (by_seed(rows[name], metric) for name in (pair.policy, pair.against))
    seeds = [seed for seed in ours if seed in theirs]
    change = metric.show_change(-pair.mean_difference, unit=False)
    error = "" if pair.standard_error is None else metric.show_change(pair.standard_error, unit=False)
    unit = " points" if metric.percent else ""
    sure = show_p(pair.adjusted_p_value) if pair.direction and pair.adjusted_p_value is not None else "not significant"
    sure = ONE_SEED if pair.alone else sure
    return (
        f"{control.of} reaches {metric.show(fmean(ours[seed] for seed in seeds))}; {control.words} "
        f"{metric.show(fmean(theirs[seed] for seed in seeds))} ({change}{error.replace('+', ' ± ')}{unit}, {sure})."
    )
