from __future__ import annotations

from typing import Any

import pytest

from growsearch.comparison.conclusions import conclude, reference_of
from growsearch.comparison.table import TableRow, policy_rows, table_header
from growsearch.errors import InputError


def policy(values: list[float], seeds: list[int] | None = None, accuracy: bool = True, **more: Any) -> dict[str, Any]:
    count = len(values)
    plain = {"parameters": [10] * count, "training_flops": [1000] * count, "seconds": [2.0] * count}
    return {
        "seeds": list(range(count)) if seeds is None else seeds,
        "test_accuracy": values if accuracy else [None] * count,
        "test_loss": values,
        "growth_seconds": [0.5] * count,
        "growth_events": [0] * count,
        "seed_parameters": [10] * count,
        **plain,
        **more,
    }


def test_differences_are_paired_by_seed() -> None:
    verdict = conclude({"one": policy([0.5, 0.9], [0, 2]), "other": policy([0.1, 0.2, 0.8], [1, 0, 2])})

    (pair,) = verdict.pairs
    assert (pair.policy, pair.against) == ("other", "one")
    assert pair.mean_difference == pytest.approx(-(0.3 + 0.1) / 2)
    # The differences 0.3 and 0.1 have a standard deviation of sqrt(0.02); over sqrt(2) that is 0.1.
    assert pair.standard_error == pytest.approx(0.1)
    assert (pair.seeds, pair.wins, pair.losses) == (2, 0, 2)
    assert pair.probability_of_improvement == 0


def test_a_lower_loss_wins() -> None:
    verdict = conclude({"a": policy([1.0, 3.0], accuracy=False), "b": policy([2.0, 2.0], accuracy=False)})

    assert verdict.metric == "test_loss"
    assert (verdict.pairs[0].wins, verdict.pairs[0].losses) == (1, 1)


def losses(*means: float) -> dict[str, Any]:
    """Policies `random`, `a`, `b`, ... with these mean losses over eight seeds that differ a little."""
    names = ("random", "a", "b", "c")
    wobble = [0.01 * (seed % 3) for seed in range(8)]
    return {
        name: policy([mean + (index + 1) * shift for shift in wobble], accuracy=False)
        for index, (name, mean) in enumerate(zip(names, means, strict=False))
    }


def test_the_sentence_calls_what_the_seeds_can_show() -> None:
    sentence = conclude({"a": policy([0.9] * 6), "b": policy([0.95] * 6)}).sentence

    assert sentence == (
        "b has the highest mean test accuracy: 95.00 % over 6 seeds; next is a with 90.00 %. "
        "Better than a on the same seeds: b (+5.00 points, p = 0.031)."
    )


def test_few_seeds_call_nothing_and_the_sentence_says_what_it_takes() -> None:
    five = conclude({"a": policy([0.9] * 5), "b": policy([0.95] * 5)})
    three = conclude({"a": policy([0.9] * 6), "b": policy([0.95] * 6), "c": policy([0.99] * 6)})

    assert (five.better, five.seeds_needed, five.pairs[0].direction) == ((), 6, None)
    assert five.sentence.endswith(
        "No winner is called: with 5 seeds and 1 comparison with a, no difference can be told from chance, however "
        "large (p is 0.062 at best and has to be 0.05 or less). It takes at least 6 seeds."
    )
    assert (three.better, three.seeds_needed) == ((), 7)
    assert "with 6 seeds and 2 comparisons with a" in three.sentence


def test_a_difference_that_chance_explains_is_no_winner() -> None:
    verdict = conclude({"a": policy([0.9, 0.8] * 4), "b": policy([0.8, 0.91] * 4)})

    assert verdict.better == verdict.worse == ()
    assert "No winner is called: on the same seeds, no policy differs from a by more than chance" in verdict.sentence


def test_better_worse_and_neither_are_told_apart() -> None:
    verdict = conclude(losses(1.0, 0.5, 2.0, 0.98))

    assert (verdict.reference, verdict.better, verdict.worse) == ("random", ("a",), ("b",))
    assert "Better than random on the same seeds: a (−0.491, p = 0.023)." in verdict.sentence
    assert "Worse than random on the same seeds: b (+1.02, p = 0.023)." in verdict.sentence
    assert "Not told apart from random: c." in verdict.sentence
    assert "p is corrected for all 3." in verdict.sentence


def test_p_values_are_corrected_for_the_comparisons_with_the_reference_only() -> None:
    verdict = conclude(losses(1.0, 0.5, 2.0))

    smallest = 2 / 2**8
    assert [(pair.policy, pair.against) for pair in verdict.pairs] == [
        ("a", "random"),
        ("b", "random"),
        ("a", "b"),
    ]
    assert [pair.p_value for pair in verdict.pairs] == pytest.approx([smallest] * 3)
    assert [pair.adjusted_p_value for pair in verdict.pairs] == [2 * smallest, 2 * smallest, None]
    assert [pair.direction for pair in verdict.pairs] == ["better", "worse", None]


def test_the_reference_is_the_named_policy_or_random_or_the_first() -> None:
    assert reference_of(["small", "random", "gradmax"]) == "random"
    assert reference_of(["small", "gradmax"]) == "small"
    assert reference_of(["small", "random"], "small") == "small"
    with pytest.raises(InputError, match=r"unknown policy 'smal' \(allowed small, random\) \(did you mean 'small'"):
        reference_of(["small", "random"], "smal")


def test_intervals_are_given_from_six_seeds_on() -> None:
    def interval(count: int) -> Any:
        values = [0.9 + 0.01 * seed for seed in range(count)]
        return conclude({"a": policy(values), "b": policy([0.5] * count)}).pairs[0].interval

    assert interval(5) is None
    low, high = interval(6)
    assert low < 0.5 - 0.925 < high < 0


def test_policies_that_lack_seeds_are_named() -> None:
    sentence = conclude({"a": policy([0.9] * 6), "b": policy([0.95] * 4, [0, 1, 2, 5])}).sentence

    assert sentence.endswith("Beware: b lacks 2 of 6 seeds; the runs that failed may not be like those that finished.")


def test_a_reference_that_failed_leaves_nothing_to_call() -> None:
    verdict = conclude({"random": policy([]), "a": policy([0.9] * 6), "b": policy([0.8] * 6)})

    assert "No winner is called: no seed has finished for both random, the reference, and" in verdict.sentence
    assert (verdict.seeds_needed, verdict.better) == (None, ())


def test_the_verdict_sums_up_every_policy_that_finished() -> None:
    verdict = conclude({"a": policy([0.0, 0.5, 0.6, 0.7]), "b": policy([])})

    assert list(verdict.policies) == ["a"]
    assert verdict.policies["a"].mean == pytest.approx(0.45)
    assert verdict.policies["a"].interquartile_mean == pytest.approx(0.55)


def test_no_finished_run() -> None:
    verdict = conclude({"a": policy([]), "b": policy([])})

    assert (verdict.pairs, verdict.sentence) == ((), "No run has finished.")


def test_a_single_policy() -> None:
    sentence = conclude({"run": policy([0.5], accuracy=False)}).sentence

    assert sentence == "run reaches a test loss of 0.5000 (one seed: no spread can be told)."


def rows(policies: dict[str, Any]) -> list[TableRow]:
    found = conclude(policies)
    return policy_rows(policies, found.reference, found.pairs)


def test_the_table_has_means_and_standard_deviations() -> None:
    one, failed, other = rows({"one": policy([0.90, 0.94]), "failed": policy([]), "other": policy([0.95, 0.96])})

    assert one.cells() == ("one", "92.00 ± 2.83 %", "reference", "10", "1 k", "2.0", "25.0 %", "2")
    assert other.cells()[:3] == ("other", "95.50 ± 0.71 %", "+3.50 (p = 0.5)")
    assert failed.cells() == ("failed", "failed", "", "", "", "", "", "0")
    assert {len(row.cells()) for row in (one, failed, other)} == {len(table_header([one]))}
    assert table_header([one])[:3] == ("policy", "test accuracy (mean ± std)", "against one")


def test_the_table_tells_how_many_parameters_are_active_where_some_are_dormant() -> None:
    [row] = rows({"run": {**policy([0.5]), "parameters": [2000], "active_parameters": [50]}})

    assert row.cells()[2] == "50 active of 2,000"


@pytest.mark.parametrize(
    ("events", "first", "last", "change"),
    [(0, 10, 10, None), (2, 10, 20, "grows"), (2, 20, 10, "prunes"), (2, 10, 10, "grows")],
)
def test_the_table_knows_what_a_policy_does_to_its_size(events: int, first: int, last: int, change: str | None) -> None:
    sizes = {"seed_parameters": [first], "active_parameters": [last], "growth_events": [events]}

    [row] = rows({"run": policy([0.5], **sizes)})

    assert row.change == change


def test_a_single_policy_has_no_reference_in_the_table() -> None:
    [row] = rows({"run": policy([0.5])})

    assert "against run" not in table_header([row])
    assert row.cells() == ("run", "50.00 %", "10", "1 k", "2.0", "25.0 %", "1")
