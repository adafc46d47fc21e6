from __future__ import annotations

from typing import Any

import pytest

from growsearch.comparison.table import human, result_table, table_header
from growsearch.comparison.verdict import describe, metric_of


def policy(values: list[float], seeds: list[int] | None = None, accuracy: bool = True, **more: Any) -> dict[str, Any]:
    count = len(values)
    plain = {"parameters": [10] * count, "training_flops": [1000] * count, "seconds": [2.0] * count}
    return {
        "seeds": list(range(count)) if seeds is None else seeds,
        "test_accuracy": values if accuracy else [None] * count,
        "test_loss": values,
        "growth_seconds": [0.5] * count,
        **plain,
        **more,
    }


def test_differences_are_paired_by_seed() -> None:
    verdict = describe({"one": policy([0.5, 0.9], [0, 2]), "other": policy([0.1, 0.2, 0.8], [1, 0, 2])})

    (pair,) = verdict["pairs"]
    assert pair["mean_difference"] == pytest.approx((0.3 + 0.1) / 2)
    # The differences 0.3 and 0.1 have a standard deviation of sqrt(0.02); over sqrt(2) that is 0.1.
    assert pair["standard_error"] == pytest.approx(0.1)
    assert (pair["seeds"], pair["wins"], pair["losses"]) == (2, 2, 0)


def test_a_lower_loss_wins() -> None:
    verdict = describe({"a": policy([1.0, 3.0], accuracy=False), "b": policy([2.0, 2.0], accuracy=False)})

    assert verdict["metric"] == "test_loss"
    assert (verdict["pairs"][0]["wins"], verdict["pairs"][0]["losses"]) == (1, 1)


def test_the_sentence_names_the_first_and_how_far_it_is_ahead() -> None:
    sentence = describe({"a": policy([0.9] * 6), "b": policy([0.95] * 6), "c": policy([0.8] * 6)})["sentence"]

    assert sentence == (
        "b has the highest mean test accuracy of the 3 policies: 95.00 % over 6 seeds, 5.00 points above a on the same "
        "seeds (ahead on 6 of 6)."
    )


def test_few_seeds_are_said_to_be_few() -> None:
    sentence = describe({"a": policy([0.9, 0.9]), "b": policy([0.95, 0.95])})["sentence"]

    assert "fewer than 6 seeds no difference can be called significant" in sentence


def test_no_finished_run() -> None:
    verdict = describe({"a": policy([]), "b": policy([])})

    assert (verdict["pairs"], verdict["sentence"]) == ([], "No run has finished.")


def test_a_single_policy() -> None:
    sentence = describe({"run": policy([0.5], accuracy=False)})["sentence"]

    assert sentence == "run reaches a test loss of 0.5 (mean of 1 seed)."


def test_the_table_has_means_and_standard_deviations() -> None:
    policies = {"one": policy([0.90, 0.94]), "failed": policy([])}

    first, second = result_table({"policies": policies})

    assert first.cells() == ("one", "92.00 ± 2.83 %", "10", "1 k", "2.0", "25.0 %", "2")
    assert second.cells() == ("failed", "failed", "", "", "", "", "0")
    assert len(table_header(metric_of(policies))) == len(first.cells())


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0"), (999, "999"), (1234, "1.23 k"), (65_400_000, "65.4 M"), (1.5e15, "1.5 P")]
)
def test_counts_are_short(number: float, text: str) -> None:
    assert human(number) == text
