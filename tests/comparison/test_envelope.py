from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from growsearch.comparison.anytime import anytime, saving
from growsearch.comparison.conclusions import Conclusions, conclude
from growsearch.comparison.control_differences import ControlRuns, conclude_controls
from growsearch.comparison.controls import Control
from growsearch.comparison.envelope import Envelope, envelopes
from growsearch.comparison.metric import ACCURACY, LOSS, Metric
from growsearch.comparison.should_grow import should_grow
from growsearch.runs.reading import record_of

SEED = Control("grown's seed network at its compute", "small_equal_compute", "grown", "grown")
MIDDLE = Control("width 0.5 at grown's compute", "envelope", "grown", "grown", {"width": 0.5})
FINAL = Control("width 1 at grown's compute", "envelope", "grown", "grown", {"width": 1.0}, final=True)
CONTROLS = (SEED, MIDDLE, FINAL)

NOISE = (0.0, 0.01, -0.01, 0.02, -0.02, 0.005)


def columns(mean: float, seeds: int = 6, metric: Metric = LOSS, parameters: int = 100) -> dict[str, list[Any]]:
    values = [mean + NOISE[seed] for seed in range(seeds)]
    return {
        "seeds": list(range(seeds)),
        "metric": [None] * seeds,
        "test_accuracy": values if metric is ACCURACY else [None] * seeds,
        "test_loss": values,
        "parameters": [parameters] * seeds,
    }


def run(values: Sequence[float], flops: Sequence[float]) -> list[Mapping[str, Any]]:
    return [{"validation_loss": value, "training_flops": spent} for value, spent in zip(values, flops, strict=True)]


def found(
    grown: float, seed: float, middle: float, final: float, *, seeds: int = 6, metric: Metric = LOSS
) -> tuple[Envelope, ...]:
    """Fixed sizes with these means, each seed by the same amount off, so that intervals have no width."""
    means = {"grown": grown, SEED.name: seed, MIDDLE.name: middle, FINAL.name: final}
    rows = {name: columns(mean, seeds, metric) for name, mean in means.items()}
    return envelopes(metric, rows, CONTROLS, {})


@pytest.mark.parametrize(
    ("means", "answer"),
    [
        ((1.0, 1.2, 1.1, 1.3), "outright"),
        ((1.0, 0.9, 1.1, 1.3), "final size"),
        ((1.0, 1.2, 1.0, 1.3), "final size"),  # equal to one of the sizes
        ((1.0, 1.2, 1.1, 0.9), "no"),
        ((1.0, 1.2, 1.1, 1.0), "no"),
    ],
)
def test_the_answer_is_by_the_ends_of_runs(means: tuple[float, float, float, float], answer: str) -> None:
    [one] = found(*means)

    assert one.answer == answer
    assert found(*means, seeds=5)[0].answer == "unknown"  # five differences of one sign show nothing


def test_higher_is_better_turns_the_answer() -> None:
    assert found(0.9, 0.8, 0.85, 0.7, metric=ACCURACY)[0].answer == "outright"
    assert found(0.9, 0.95, 0.85, 0.7, metric=ACCURACY)[0].answer == "final size"
    assert found(0.6, 0.8, 0.85, 0.7, metric=ACCURACY)[0].answer == "no"


def test_an_interval_that_holds_zero_is_no_lead() -> None:
    rows = {one.name: columns(1.1) for one in CONTROLS}
    uneven = [1.05, 1.2, 0.9, 1.2, 1.05, 1.05]  # a mean of 1.075, below 1.1
    rows["grown"] = {**columns(1.0), "test_loss": uneven}

    [one] = envelopes(LOSS, rows, CONTROLS, {})

    assert one.mean is not None and one.mean < min(size.mean for size in one.sizes)
    assert one.answer == "no"


def test_places_means_and_the_best_size() -> None:
    [one] = found(1.0, 0.9, 1.1, 1.3)

    assert [(size.place, size.words) for size in one.sizes] == [
        ("seed", "the seed's size"),
        ("between", "width 0.5"),
        ("final", "width 1"),
    ]
    assert one.best == SEED.name
    assert [size.difference for size in one.sizes] == pytest.approx([0.1, -0.1, -0.3])
    assert one.sizes[0].interval == pytest.approx((0.1, 0.1))


def test_only_seeds_that_all_finished_count_and_a_size_without_any_lacks() -> None:
    rows = {"grown": columns(1.0), **{one.name: columns(1.1) for one in CONTROLS}}
    rows[MIDDLE.name] = {**columns(1.1, 4)}

    [one] = envelopes(LOSS, rows, CONTROLS, {})

    assert one.seeds == (0, 1, 2, 3) and one.answer == "unknown"
    rows[MIDDLE.name] = columns(1.1, 0)
    [one] = envelopes(LOSS, rows, CONTROLS, {})
    assert one.lacking == (MIDDLE.name,) and one.answer == "unknown"
    answer = should_grow(LOSS, [one])
    assert answer is not None
    assert answer.headline == f"Should I grow? Not known: no run of {MIDDLE.name} has finished."


def test_the_grown_architecture_stands_for_a_final_size_without_a_name() -> None:
    retrained = Control("grown, retrained at its compute", "equal_compute", "grown", "grown")
    rows = {"grown": columns(1.0), **{one.name: columns(1.1) for one in (SEED, MIDDLE, retrained)}}

    [one] = envelopes(LOSS, rows, (retrained, SEED, MIDDLE), {})

    assert one.final is not None and one.final.words == "the grown architecture"
    assert envelopes(LOSS, rows, (retrained, SEED), {}) == ()  # controls, but no envelope


def test_flops_saved_are_those_of_the_first_evaluation_that_reaches_the_final_sizes_end() -> None:
    # The final size ends at 1.0 after 100 FLOPs; the growing run first has that at 60 and at 80.
    spent = range(10, 101, 10)
    logs = {
        "grown": {
            0: run([2.0, 2.0, 2.0, 2.0, 2.0, 1.0, 1.2, 1.2, 1.2, 0.9], spent),
            1: run([2.0, 2.0, 2.0, 2.0, 2.0, 1.4, 1.4, 0.8, 1.2, 0.9], spent),
        },
        FINAL.name: {seed: run([3.0, 1.5, 1.0], [10, 50, 100]) for seed in (0, 1)},
    }

    one = saving(LOSS, logs, "grown", FINAL.name, [0, 1])

    assert one is not None
    assert (one.reached, one.seeds, one.interval, one.metric_words) == (2, 2, None, "validation loss")
    assert one.share == pytest.approx(0.7)
    logs["grown"][1] = run([1.1] * 10, spent)
    one = saving(LOSS, logs, "grown", FINAL.name, [0, 1])
    assert one is not None and (one.reached, one.share) == (1, None)  # what never gets there cannot be averaged
    logs["grown"][1] = run([1.4, 0.8], [50, 100])
    assert saving(LOSS, logs, "grown", FINAL.name, [0, 1]) is None  # too few evaluations to say when


def test_the_envelope_is_the_best_of_the_means_at_the_same_flops() -> None:
    # Straight lines from 0 to 100 FLOPs: the small one from 1.0 to 0.8, the large one from 2.0 to 0, the same at 55.6.
    logs = {
        "small": {0: run([1.1, 0.9], [0, 100]), 1: run([0.9, 0.7], [0, 100])},
        "large": {seed: run([2.0, 0.0], [0, 100]) for seed in (0, 1)},
        "grown": {seed: run([1.0, 0.5], [0, 120]) for seed in (0, 1)},
    }

    one = anytime(LOSS, logs, "grown", ["small", "large"], [0, 1])

    assert one is not None
    assert (one.flops[0], one.flops[-1]) == (0, 100)  # to where the first of them ended
    assert one.sizes["small"][0] == pytest.approx(1.0) and one.sizes["small"][-1] == pytest.approx(0.8)
    for at, flops in enumerate(one.flops):
        assert one.envelope[at] == pytest.approx(min(1 - 0.002 * flops, 2 - 0.02 * flops))
        assert one.difference[at] == pytest.approx(1 - flops / 240 - one.envelope[at])
    assert anytime(LOSS, {**logs, "large": {0: [], 1: []}}, "grown", ["small", "large"], [0, 1]) is None


def test_the_answer_in_words() -> None:
    [one] = found(1.0, 0.9, 1.1, 1.3)
    ends = {"grown": [2.0] * 6 + [1.0] * 4, "f": [2.0] * 9 + [1.3]}
    logs = {name: {seed: run(way, range(10, 101, 10)) for seed in range(6)} for name, way in ends.items()}
    one = replace(one, saving=saving(LOSS, logs, "grown", "f", range(6)))

    answer = should_grow(LOSS, [one])

    assert answer is not None and answer.answer == "final size"
    assert answer.headline == (
        "Should I grow? Yes where the final size is prescribed, no where it is free: grown ends below the network of "
        "its final size, but not every other fixed size, with as many training FLOPs."
    )
    assert answer.sentences == (
        "grown ends at 1.0008 test loss (mean of 6 seeds); the network of its final size, width 1, at 1.3008 (−0.3, 95 "
        "% interval −0.3 to −0.3: better) and the best fixed size, the seed's size, at 0.9008 (+0.1, 95 % interval "
        "+0.1 to +0.1: worse), all with as many training FLOPs. It first reaches the final validation loss of the "
        "network of its final size at 70 % of that one's FLOPs (95 % interval 70 to 70 %).",
    )


def test_under_six_seeds_it_says_so_and_claims_nothing() -> None:
    answer = should_grow(LOSS, found(1.0, 1.2, 1.1, 1.3, seeds=5))

    assert answer is not None
    why = "it takes 6 seeds or more, and grown and its fixed sizes share 5"
    assert answer.headline == f"Should I grow? Not known: {why}."
    assert answer.sentences == (f"grown beside fixed sizes: not known, because {why}.",)


def test_of_several_policies_the_one_with_the_best_answer_is_first_and_looks_better_than_it_is() -> None:
    [lost], [won] = found(1.0, 1.2, 1.1, 0.9), found(1.0, 1.2, 1.1, 1.3)

    answer = should_grow(LOSS, [replace(lost, policy="lost"), replace(won, policy="won")])

    assert answer is not None and (answer.policy, answer.answer) == ("won", "outright")
    assert answer.headline.startswith("Should I grow? Yes, outright: won ends below every fixed size")
    assert answer.headline.endswith("It is the first of 2 policies that grow, and so looks a little better than it is.")
    assert answer.sentences[1].startswith("lost ends at")


def test_where_growth_ended_at_another_size_nothing_is_said_of_its_final_size() -> None:
    rows = {"grown": columns(1.0, parameters=80), **{one.name: columns(1.1) for one in CONTROLS}}

    [outright] = envelopes(LOSS, rows, CONTROLS, {})
    [behind] = envelopes(LOSS, {**rows, SEED.name: columns(0.9)}, CONTROLS, {})

    won, open_ = should_grow(LOSS, [outright]), should_grow(LOSS, [behind])
    assert (outright.answer, behind.answer) == ("outright", "unknown")
    assert won is not None and open_ is not None
    assert won.sentences[0].endswith("Beware: it ends with 80 parameters, and the network of its final size has 100.")
    assert open_.headline == (
        "Should I grow? Not known: grown is not better than every fixed size, and ended with 80 parameters where the "
        "network of its final size, width 1, has 100."
    )


def test_the_answer_comes_first_in_the_advice_and_is_stored() -> None:
    full = {key: [1.0] * 6 for key in ("training_flops", "seconds", "growth_seconds", "growth_events")}
    policies = {"grown": {**columns(1.0), **full}}

    concluded = conclude(policies, envelopes=found(1.0, 1.2, 1.1, 1.3))

    assert concluded.advice.headline.startswith("Should I grow? Yes, outright")
    assert concluded.should_grow is not None and concluded.advice.reasons == concluded.should_grow.sentences
    assert record_of(Conclusions, concluded.plain(), "verdict") == concluded


def test_the_sizes_of_an_envelope_are_no_part_of_the_family_of_tests() -> None:
    retrained = Control("grown, retrained", "retrained", "grown", "grown")
    full = {key: [1.0] * 6 for key in ("training_flops", "seconds")}
    controls = {one.name: {**columns(1.1), **full} for one in (*CONTROLS, retrained)}
    given = ControlRuns((*CONTROLS, retrained), controls, {"grown": {"big": FINAL.name}})

    found = conclude_controls(LOSS, {"grown": {**columns(1.0), **full}}, [], given)

    assert [pair.against for pair in found.pairs] == [retrained.name]
    assert found.pairs[0].adjusted_p_value == 2 / 64
    big = found.differences["grown"]["big"]
    assert big is not None and big.difference == pytest.approx(-0.1)
