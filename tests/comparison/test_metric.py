from __future__ import annotations

from typing import Any

from growsearch.comparison.metric import ACCURACY, LOSS, metric_of, metric_of_result


def test_policies_of_different_tasks_are_ranked_by_their_loss() -> None:
    bits = {"name": "bits_per_byte", "words": "bits per byte", "higher_is_better": False, "percent": False}
    rows: dict[str, list[Any]] = {"test_accuracy": [None], "metric": [bits]}
    assert metric_of({"a": rows}).key == "test_bits_per_byte"
    assert metric_of({"a": rows, "b": {**rows, "metric": [{**bits, "name": "bits_per_token"}]}}) == LOSS
    assert metric_of({"a": rows, "b": {**rows, "metric": [None]}}) == LOSS


def test_a_share_is_shown_in_percent_and_any_other_number_as_it_is() -> None:
    score = {"name": "score", "words": "score", "higher_is_better": True, "percent": False}
    metric = metric_of_result({"metric": score, "test_score": 0.5, "test_accuracy": None})
    assert (metric.key, metric.show(0.5), metric.show_change(-0.25)) == ("test_score", "0.5000", "−0.25")
    assert metric.better(2.0, 1.0)
    assert (ACCURACY.show(0.5), ACCURACY.show_change(-0.25)) == ("50.00 %", "−25.00 points")


def test_runs_of_before_metrics_were_recorded_are_ranked_by_accuracy_or_else_by_loss() -> None:
    assert metric_of({"a": {"test_accuracy": [0.5, 0.7]}}) == ACCURACY
    assert metric_of({"a": {"test_accuracy": [None]}}) == LOSS
    assert metric_of_result({"test_accuracy": 0.5, "test_loss": 1.0}) == ACCURACY
