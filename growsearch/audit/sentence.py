"""What an audit found, in plain words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from growsearch.audit.records import Branch, Comparison, Effect, FirstStep
from growsearch.audit.verdict import METRICS, WITH
from growsearch.comparison.metric import Metric, show_p
from growsearch.comparison.pairs import Pair
from growsearch.comparison.wording import ONE_SEED
from growsearch.number_format import plural
from growsearch.runs.event_words import change_words
from growsearch.statistics import seeds_needed

_SHOWN = 1e-12  # what is below is no change at all
ROUNDING = 1e-6  # changes of the loss below this are rounding


def audit_sentence(
    number: int, recorded: Mapping[str, Any], steps: int, branches: Sequence[Branch], compared: Sequence[Comparison]
) -> str:
    """What the event was worth against no growth, what it was predicted to be, and how the others did.

    Args:
        number: of the event, from 1.
        recorded: the event.
        steps: that the branches went on.
        branches: their results, by name.
        compared: `with` against each of the others.
    """
    tested = next(one for one in compared if one.tested)
    metric = METRICS[tested.metric]
    against = next((pair for pair in tested.pairs if pair.against == "without"), None)
    changed = change_words(
        recorded["sites"],
        recorded["removed"],
        recorded.get("regrown", 0),
        recorded.get("pruned", 0),
        recorded.get("kinds", {}),
    )
    what = f"Event {number} ({changed}, {recorded['how']})"
    if against is None:
        return f"{what}: no seed has finished both with and without it; there is nothing to compare."
    parts = [f"{what} {_benefit(metric, steps, against, len(tested.pairs))}."]
    parts += [_equal_flops(branches, next(one for one in compared if (one.metric, one.at) == (metric.key, "flops")))]
    parts += [prediction_words([e for e in next(b for b in branches if b.name == WITH).effects if e is not None])]
    parts += [_others(metric, [pair for pair in tested.pairs if pair.against != "without"])]
    return " ".join(part for part in parts if part)


def _benefit(metric: Metric, steps: int, pair: Pair, comparisons: int) -> str:
    size = f"{abs(pair.mean_difference):.3g}"
    error = "" if pair.standard_error is None else f" ± {pair.standard_error:.2g}"
    after = f"the {metric.words} after {plural(steps, 'step')}"
    seeds = plural(pair.seeds, "seed")
    if pair.direction is not None and pair.adjusted_p_value is not None:
        did = "lowered" if pair.mean_difference < 0 else "raised"
        return f"{did} {after} by {size}{error} against no growth ({show_p(pair.adjusted_p_value)}, {seeds})"
    change = f"changed {after} by {signed(pair.mean_difference)}{error} against no growth"
    if pair.alone:
        return f"{change} ({ONE_SEED}; it takes {seeds_needed(comparisons)} seeds)"
    if pair.seeds < seeds_needed(comparisons):
        number = plural(comparisons, "comparison")
        return (
            f"{change}; with {seeds} and {number} no difference can be told from chance, however large: it takes "
            f"{seeds_needed(comparisons)} seeds"
        )
    p_value = pair.p_value if pair.adjusted_p_value is None else pair.adjusted_p_value
    return f"{change}, which {seeds} do not tell from chance ({show_p(p_value)})"


def _equal_flops(branches: Sequence[Branch], compared: Comparison) -> str:
    pair = next((one for one in compared.pairs if one.against == "without"), None)
    if pair is None:
        return ""
    flops = {one.name: fmean(one.training_flops) for one in branches if one.seeds}
    steps = "fewer" if flops[WITH] >= flops["without"] else "more"
    error = "" if pair.standard_error is None else f" ± {pair.standard_error:.2g}"
    return (
        f"At equal training FLOPs, when it has taken {steps} steps with the event than without, the difference is "
        f"{signed(pair.mean_difference)}{error}."
    )


def prediction_words(effects: Sequence[Effect]) -> str:
    """What was predicted, and what came of it at once: means over seeds or events."""
    if not effects:
        return ""
    predicted = [effect.predicted_change for effect in effects]
    if any(value is None for value in predicted):
        said = "Its strategy predicts no change of the loss"
    elif all(value == 0 for value in predicted):
        said = "It was to keep the function"
    else:
        said = f"It was predicted to change the loss by {signed(_mean(predicted))} at once"
    measured = _mean([effect.measured_change for effect in effects])
    exact = all(value == 0 for value in predicted) and abs(measured) < ROUNDING
    parts = [
        f"{said}, and did." if exact else f"{said}; it changed by {signed(measured)} on that batch{_fresh(effects)}."
    ]
    first = [effect.first_step for effect in effects if effect.first_step is not None]
    return " ".join([*parts, *([_first_step(first)] if first else [])])


def _fresh(effects: Sequence[Effect]) -> str:
    found = [effect.fresh_change for effect in effects if effect.fresh_change is not None]
    return f" and by {signed(fmean(found))} on others" if found else ""


def _first_step(first: Sequence[FirstStep]) -> str:
    fresh = [one.fresh for one in first if one.fresh is not None]
    others = f", {signed(fmean(fresh))} on others" if fresh else ""
    return (
        f"The gradient of its new weights promised {signed(fmean(one.predicted for one in first))} for their first "
        f"step (measured {signed(fmean(one.measured for one in first))} on that batch{others})."
    )


def _others(metric: Metric, pairs: Sequence[Pair]) -> str:
    """What the other strategies would have brought, seen from the event as it was."""
    untold = "not tested against" if all(pair.alone for pair in pairs) else "not told apart from"
    words = {"better": "better than", "worse": "worse than", None: untold}
    parts = []
    for direction, start in words.items():
        listed = [f"{pair.against} ({signed(pair.mean_difference)})" for pair in pairs if pair.direction == direction]
        parts += [f"{start} {', '.join(listed)}"] if listed else []
    return f"In {metric.words} it was {'; '.join(parts)}." if parts else ""


def signed(value: float) -> str:
    """A change with its sign; 0 where there is none."""
    return "0" if abs(value) < _SHOWN else f"{value:+#.2g}".rstrip(".").replace("-", "−")


def _mean(values: Sequence[float | None]) -> float:
    known = [value for value in values if value is not None]
    return fmean(known) if known else 0.0
