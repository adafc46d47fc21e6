"""What is compared, what is called, and what is said of it."""

from __future__ import annotations

from typing import Any

import pytest

from growsearch.audit import Branch, Comparison
from growsearch.audit.sentence import audit_sentence
from growsearch.audit.verdict import along, comparisons, main_metric

RECORDED = {"sites": {"conv3": 12}, "removed": {}, "how": "gradmax"}


def branch(name: str, losses: list[list[float]], flops: int, metric: str = "validation_loss") -> Branch:
    """A branch whose seeds have these losses at equal distances, a step and `flops` FLOPs apart."""
    rows: list[list[dict[str, Any]]] = [
        [{"step": step, metric: loss, "training_flops": step * flops} for step, loss in enumerate(values)]
        for values in losses
    ]
    spent = [(len(values) - 1) * flops for values in losses]
    return Branch(name, name, "uniform", "zero", list(range(len(losses))), [1] * len(losses), spent, [], rows)


def two(gain: float, seeds: int) -> list[Branch]:
    """`with` below `without` by `gain`, and a little more from seed to seed."""
    noise = [0.01 * seed for seed in range(seeds)]
    return [
        branch("with", [[2.0, 1.0 - gain - each] for each in noise], 20),
        branch("without", [[2.0, 1.0] for _ in noise], 10),
    ]


def only_tested(branches: list[Branch]) -> Comparison:
    return next(one for one in comparisons(branches) if one.tested)


def said(branches: list[Branch]) -> str:
    return audit_sentence(2, RECORDED, 200, branches, comparisons(branches))


def test_a_difference_of_six_seeds_is_called_and_seen_from_the_event() -> None:
    [pair] = only_tested(two(0.1, 6)).pairs

    assert (pair.policy, pair.against, pair.direction) == ("with", "without", "better")
    assert pair.mean_difference == pytest.approx(-0.1 - 0.025)
    assert pair.p_value == pytest.approx(2 / 2**6)
    assert pair.interval is not None
    assert pair.interval[0] < pair.mean_difference < pair.interval[1] < 0
    assert (pair.wins, pair.losses, pair.probability_of_improvement) == (6, 0, 1.0)
    assert said(two(0.1, 6)).startswith(
        "Event 2 (+12 units in conv3, gradmax) lowered the validation loss after 200 steps by 0.125 ± 0.0076 "
        "against no growth (p = 0.031, 6 seeds)."
    )


def test_what_makes_the_loss_larger_is_called_worse() -> None:
    assert only_tested(two(-0.5, 6)).pairs[0].direction == "worse"
    assert "raised the validation loss" in said(two(-0.5, 6))


def test_nothing_is_called_below_six_seeds() -> None:
    [pair] = only_tested(two(10.0, 5)).pairs

    assert (pair.direction, pair.interval) == (None, None)
    assert "with 5 seeds and 1 comparison no difference can be told from chance" in said(two(10.0, 5))
    assert "it takes 6 seeds" in said(two(10.0, 5))


def test_one_seed_has_neither_an_error_nor_a_test() -> None:
    sentence = said([*two(0.1, 1), branch("how random", [[2.0, 0.95]], 20)])

    assert "by −0.10 against no growth (one seed: no spread can be told; it takes 7 seeds)." in sentence
    assert "not tested against how random (−0.050)" in sentence
    assert "±" not in sentence and "p = " not in sentence and "told apart" not in sentence


def test_further_branches_are_corrected_for() -> None:
    branches = [*two(0.1, 6), branch("how random", [[2.0, 0.9]] * 6, 20)]

    pairs = only_tested(branches).pairs

    assert [pair.adjusted_p_value for pair in pairs] == pytest.approx([2 * 2 / 2**6] * 2)
    assert [pair.direction for pair in pairs] == [None, None]


def test_at_equal_flops_the_larger_network_has_taken_fewer_steps() -> None:
    branches = [branch("with", [[2.0, 1.0, 0.0]], 20), branch("without", [[2.0, 1.5, 1.2]], 10)]

    found = next(one for one in comparisons(branches) if one.at == "flops")

    # `without` ends after 20 FLOPs, when `with` has taken one step and stands at 1.0.
    assert found.pairs[0].mean_difference == pytest.approx(1.0 - 1.2)
    assert not found.tested
    assert found.pairs[0].direction is None


def test_seeds_that_one_branch_lacks_do_not_count() -> None:
    with_, without = two(0.1, 7)
    short = Branch(**{**without.__dict__, "seeds": [0, 2], "rows": without.rows[:2]})

    assert only_tested([with_, short]).pairs[0].seeds == 2
    assert [one.mean_difference for one in along([with_, short])] == [pytest.approx([0, -0.1 - 0.01])]


def test_the_trajectory_has_a_difference_and_an_interval_at_every_row() -> None:
    [found] = along(two(0.1, 6))

    assert found.steps == [0, 1]
    assert found.mean_difference == pytest.approx([0, -0.125])
    assert found.interval[0] == (0, 0)


def test_without_a_validation_split_the_training_loss_is_compared() -> None:
    branches = [
        branch("with", [[1.0, 0.5]], 2, metric="train_loss"),
        branch("without", [[1.0, 0.8]], 1, metric="train_loss"),
    ]

    assert main_metric(branches) == "train_loss"
    assert {one.metric for one in comparisons(branches)} == {"train_loss"}
