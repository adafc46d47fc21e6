"""Should I grow? A growing policy beside the fixed sizes that a user could have had for the same training FLOPs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Literal

from growsearch.comparison.anytime import Anytime, Logs, Saving, anytime, saving
from growsearch.comparison.controls import EQUAL_COMPUTE, SMALL_COMPUTE, Control, Place, in_envelope
from growsearch.comparison.fixed_sizes import OTHER_SIZE, size_words
from growsearch.comparison.metric import Metric, Policies
from growsearch.comparison.pairs import by_seed
from growsearch.statistics import ENOUGH_SEEDS, difference_interval

Answer = Literal["outright", "final size", "no", "unknown"]


@dataclass(frozen=True)
class FixedSize:
    """A fixed network that trained for the growing run's FLOPs: `difference` is the policy's mean minus its own.

    `place` tells whether it has the size of the seed, the final one, or another.
    """

    control: str
    words: str
    place: Place
    parameters: float
    mean: float
    difference: float
    interval: tuple[float, float] | None

    def direction(self, metric: Metric) -> str:
        """Return whether the policy is better or worse, beyond the interval, or not told apart."""
        if self.interval is None or self.interval[0] <= 0 <= self.interval[1]:
            return "not told apart"
        return "better" if metric.better(self.difference, 0.0) else "worse"


@dataclass(frozen=True)
class Envelope:
    """What the fixed sizes say of a growing policy, over the `seeds` that it and all of them finished.

    `answer` is to "should I grow?"; `best` is the size with the best mean. `saving` and `anytime` are None where
    training was not evaluated on the way.
    """

    policy: str
    answer: Answer
    seeds: tuple[int, ...]
    mean: float | None
    parameters: float | None
    sizes: tuple[FixedSize, ...]
    best: str | None
    lacking: tuple[str, ...]
    saving: Saving | None
    anytime: Anytime | None

    @property
    def final(self) -> FixedSize | None:
        """The fixed network of the size that growth ended at."""
        return next((one for one in self.sizes if one.place == "final"), None)

    @property
    def elsewhere(self) -> bool:
        """Whether growth ended at another size than the network of its final size has."""
        final, own = self.final, self.parameters
        return final is not None and own is not None and abs(own - final.parameters) > OTHER_SIZE * final.parameters

    @property
    def best_size(self) -> FixedSize | None:
        """The fixed network with the best mean."""
        return next((one for one in self.sizes if one.control == self.best), None)


def envelopes(metric: Metric, rows: Policies, controls: Sequence[Control], logs: Logs) -> tuple[Envelope, ...]:
    """Return the envelope of every growing policy that has controls of its sizes; none where the file asked for none.

    Args:
        metric: what policies are ranked by.
        rows: lists over the seeds, of policies and controls.
        controls: those that the file asked for.
        logs: of policies and controls.
    """
    own = {name: [one for one in controls if one.of == name and in_envelope(one, controls)] for name in rows}
    return tuple(_envelope(metric, name, rows, sizes, logs) for name, sizes in own.items() if sizes)


def _envelope(metric: Metric, policy: str, rows: Policies, controls: Sequence[Control], logs: Logs) -> Envelope:
    named = [control for control in controls if control.final]
    sizes = [one for one in controls if not (named and one.kind == EQUAL_COMPUTE)]
    lacking = tuple(one.name for one in sizes if not rows[one.name]["seeds"])
    ours = by_seed(rows[policy], metric)
    theirs = {one.name: by_seed(rows[one.name], metric) for one in sizes if one.name not in lacking}
    seeds = tuple(seed for seed in ours if all(seed in own for own in theirs.values())) if theirs else ()
    found = tuple(
        _fixed(metric, one, ours, theirs[one.name], rows, seeds) for one in sizes if one.name in theirs and seeds
    )
    sign = 1 if metric.higher_is_better else -1
    best = max(found, key=lambda one: sign * one.mean).control if found else None
    final = next((one.control for one in found if one.place == "final"), None)
    drawn = Envelope(
        policy=policy,
        answer="unknown",
        seeds=seeds,
        mean=fmean(ours[seed] for seed in seeds) if seeds else None,
        parameters=_mean(rows[policy], "parameters", seeds),
        sizes=found,
        best=best,
        lacking=lacking,
        saving=saving(metric, logs, policy, final, seeds) if final else None,
        anytime=anytime(metric, logs, policy, [one.control for one in found], seeds),
    )
    return replace(drawn, answer=_answer(metric, drawn))


def _fixed(
    metric: Metric,
    control: Control,
    ours: Mapping[int, float],
    theirs: Mapping[int, float],
    rows: Policies,
    seeds: Sequence[int],
) -> FixedSize:
    assert control.place is not None
    differences = [ours[seed] - theirs[seed] for seed in seeds]
    words = {SMALL_COMPUTE: "the seed's size", EQUAL_COMPUTE: "the grown architecture"}
    return FixedSize(
        control=control.name,
        words=words.get(control.kind) or size_words(control.size),
        place=control.place,
        parameters=_mean(rows[control.name], "parameters", seeds) or 0.0,
        mean=fmean(theirs[seed] for seed in seeds),
        difference=fmean(differences),
        interval=difference_interval(differences),
    )


def _answer(metric: Metric, found: Envelope) -> Answer:
    """By ends of runs only, at equal FLOPs.

    Outright needs every one of the intervals to be on the better side, which is no likelier by chance than any one of
    them: nothing is to be corrected for their number.
    """
    if found.lacking or len(found.seeds) < ENOUGH_SEEDS:
        return "unknown"
    if all(one.direction(metric) == "better" for one in found.sizes):
        return "outright"
    if found.final is None or found.elsewhere:
        return "unknown"
    return "final size" if found.final.direction(metric) == "better" else "no"


def _mean(rows: Mapping[str, Sequence[float]], key: str, seeds: Sequence[int]) -> float | None:
    values = [value for seed, value in zip(rows["seeds"], rows[key], strict=True) if seed in seeds]
    return fmean(values) if values else None
