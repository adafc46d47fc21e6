"""Everything that a comparison concludes: what `results.json` holds as its verdict, and what terminal and page show."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from growsearch.comparison.advice import Advice, Evidence, advise
from growsearch.comparison.benefit import Benefit, benefits
from growsearch.comparison.control_differences import ControlConclusions, ControlRuns, Differences, conclude_controls
from growsearch.comparison.controls import Control
from growsearch.comparison.envelope import Envelope
from growsearch.comparison.metric import Metric, Policies, metric_of
from growsearch.comparison.outcome import GrowthOutcome
from growsearch.comparison.pairs import Pair, all_pairs
from growsearch.comparison.sentence import verdict_sentence
from growsearch.comparison.should_grow import ShouldGrow, should_grow, with_answer
from growsearch.comparison.sizes import best_by_size
from growsearch.comparison.table import best_first, policy_rows
from growsearch.comparison.tuning import Tuning
from growsearch.errors import InputError
from growsearch.registry import nearest
from growsearch.runs.files import to_json
from growsearch.runs.reading import record_of
from growsearch.statistics import LEVEL, interquartile_mean, seeds_needed, standard_deviation

DEFAULT_REFERENCE = "random"  # growing at the same times by the same amounts, with nothing learnt about how


@dataclass(frozen=True)
class PolicySummary:
    """A policy's metric over its finished seeds; the interquartile mean is without the lowest and highest quarter."""

    mean: float
    standard_deviation: float
    interquartile_mean: float


@dataclass(frozen=True)
class Conclusions:
    """What a comparison found: its fields are those of the verdict in `results.json`.

    `metric` is the key that policies are ranked by, `metric_words` its name, `percent` how its values are shown.
    `better` and `worse` are the policies that differ significantly from the `reference`. `seeds_needed` is None where
    nothing is tested. `policies` are those with a finished seed. `should_grow` answers by the `envelopes`, the fixed
    sizes beside each growing policy, where the file asked for these; `tuning` is of its learning rates.
    """

    metric: str
    metric_words: str
    higher_is_better: bool
    percent: bool
    reference: str
    level: float
    seeds_needed: int | None
    better: tuple[str, ...]
    worse: tuple[str, ...]
    policies: dict[str, PolicySummary]
    pairs: tuple[Pair, ...]
    sentence: str
    growth: GrowthOutcome
    controls: ControlConclusions
    benefits: tuple[Benefit, ...]
    advice: Advice
    envelopes: tuple[Envelope, ...] = ()
    should_grow: ShouldGrow | None = None
    tuning: Tuning | None = None

    def plain(self) -> dict[str, Any]:
        """Return them as JSON has them."""
        plain: dict[str, Any] = json.loads(to_json(asdict(self)))
        return plain

    @property
    def ranked_by(self) -> Metric:
        """The metric itself."""
        return Metric(self.metric, self.metric_words, self.higher_is_better, self.percent)

    @property
    def tested(self) -> tuple[Pair, ...]:
        """The pairs with the reference."""
        return tuple(pair for pair in self.pairs if pair.against == self.reference)


def reference_of(policies: Iterable[str], named: str | None = None) -> str:
    """Return the policy that all others are tested against: the one named, else `random`, else the first.

    Raises `InputError` where the named one is none of the policies.
    """
    names = list(policies)
    if named is None:
        return DEFAULT_REFERENCE if DEFAULT_REFERENCE in names else names[0]
    if named not in names:
        raise InputError(f"reference: unknown policy {named!r} (allowed {', '.join(names)}){nearest(named, names)}")
    return named


def conclude(
    policies: Policies,
    reference: str | None = None,
    growth: GrowthOutcome | None = None,
    controls: ControlRuns | None = None,
    envelopes: Sequence[Envelope] = (),
    tuning: Tuning | None = None,
) -> Conclusions:
    """Draw all conclusions from the numbers of a comparison.

    Differences are taken between runs of the same seed. Each policy is tested against the reference, by an exact
    paired permutation test at 5 %, corrected for all these tests; with fewer than six seeds nothing is significant.

    Args:
        policies: Lists over the seeds, by policy.
        reference: The policy that the others are tested against; None is the default one.
        growth: What growth came to; None where all policies grew as asked.
        controls: What there is to control growing policies with.
        envelopes: Fixed sizes beside growing policies; where there are any, they say whether to grow.
        tuning: What the pilot runs chose.
    """
    metric, reference = metric_of(policies), reference_of(policies, reference)
    growth, controls = growth or GrowthOutcome(), controls or ControlRuns()
    pairs = all_pairs(metric, policies, reference)
    tested = [pair for pair in pairs if pair.against == reference]
    needed = seeds_needed(len(tested)) if tested else None
    said = conclude_controls(metric, policies, pairs, controls)
    rows = best_first(row for row in policy_rows(policies, reference, pairs, growth.not_grown) if row.seeds)
    drawn = tuple(benefits(metric, rows, said.differences))
    answer = should_grow(metric, envelopes)
    if answer is not None:
        drawn = tuple(one for one in drawn if one.action != "growing")
    sentence = verdict_sentence(metric, policies, reference, pairs)
    sentence = f"{growth.sentence} {sentence}" if growth.sentence else sentence
    if len(rows) < 2:
        advice = Advice(sentence, ())
    else:
        differences = Differences({**policies, **controls.rows}, [*pairs, *said.pairs])
        sizes = tuple(best_by_size(metric, rows, differences))
        advice = advise(Evidence(metric, tuple(rows), reference, needed, growth, said, drawn, sizes))
    return Conclusions(
        metric=metric.key,
        metric_words=metric.words,
        higher_is_better=metric.higher_is_better,
        percent=metric.percent,
        reference=reference,
        level=LEVEL,
        seeds_needed=needed,
        better=tuple(pair.policy for pair in pairs if pair.direction == "better"),
        worse=tuple(pair.policy for pair in pairs if pair.direction == "worse"),
        policies={
            name: PolicySummary(fmean(values), standard_deviation(values), interquartile_mean(values))
            for name, rows in policies.items()
            if (values := rows[metric.key])
        },
        pairs=tuple(pairs),
        sentence=sentence,
        growth=growth,
        controls=said,
        benefits=drawn,
        advice=with_answer(advice, answer, tuning.warning if tuning else None),
        envelopes=tuple(envelopes),
        should_grow=answer,
        tuning=tuning,
    )


def conclusions_of(results: Mapping[str, Any], where: str) -> Conclusions:
    """Return the conclusions that a `results.json` holds; those of before they were stored are drawn anew.

    Drawn from the numbers of its policies and controls; what only the runs' logs and the file tell (which policies did
    not grow, which policy is which control) is taken from the verdict, as far as it is there. `where` names the file.
    """
    verdict = results["verdict"]
    if "advice" in verdict:
        return record_of(Conclusions, verdict, f"{where}: verdict")
    growth, controls = verdict.get("growth") or {}, results.get("controls") or {}
    return conclude(
        results["policies"],
        verdict.get("reference"),
        GrowthOutcome(tuple(growth.get("not_grown", ())), growth.get("sentence")),
        ControlRuns(
            planned=tuple(Control(name, one["kind"], one["of"], one["network"]) for name, one in controls.items()),
            rows=controls,
            found=(verdict.get("controls") or {}).get("found") or {},
        ),
    )
