from __future__ import annotations

import math
from contextlib import nullcontext

import pytest
import torch
from torch import nn

from growsearch.errors import InputError
from growsearch.registry import lookup, names
from growsearch.tasks import Classification, Language, Metric, Regression, Task, make_task
from growsearch.training.evaluation import evaluate


def test_every_task_ranks_by_one_of_its_metrics_and_reports_a_loss() -> None:
    for name in names("tasks"):
        task: Task = lookup("tasks", name)()
        keys = [metric.name for metric in task.metrics]
        assert task.ranked_by is task.metrics[0] or task.ranked_by == task.metrics[0]
        assert "loss" in keys and len(set(keys)) == len(keys)
        assert task.summary and task.source
        assert Metric(**task.ranked_by.plain()) == task.ranked_by


def test_classification_is_ranked_by_the_share_of_right_classes_over_batches_of_any_size() -> None:
    outputs = torch.tensor([[2.0, 0.0], [2.0, 0.0], [0.0, 2.0]])
    targets = torch.tensor([0, 1, 1])
    batches = [(outputs[:2], targets[:2]), (outputs[2:], targets[2:])]

    found = evaluate(nn.Identity(), batches, Classification(), nullcontext())

    right, wrong = math.log(1 + math.exp(-2)), math.log(1 + math.exp(2))
    assert found == {"loss": pytest.approx((2 * right + wrong) / 3), "accuracy": pytest.approx(2 / 3)}
    assert Classification().ranked_by == Metric("accuracy", "accuracy", higher_is_better=True, percent=True)


def test_regression_is_the_mean_over_all_elements() -> None:
    batch = (torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.zeros(2, 2))
    assert evaluate(nn.Identity(), [batch], Regression(), nullcontext()) == {"loss": pytest.approx(30 / 4)}


def test_a_network_that_knows_nothing_has_the_bits_and_the_perplexity_of_its_vocabulary() -> None:
    batch = (torch.zeros(3, 5, 8), torch.randint(0, 8, (3, 5), generator=torch.Generator().manual_seed(0)))

    found = evaluate(nn.Identity(), [batch, batch], Language(unit="byte"), nullcontext())

    assert found == {
        "bits_per_byte": pytest.approx(3.0),
        "perplexity": pytest.approx(8.0),
        "loss": pytest.approx(math.log(8)),
    }
    assert not Language().ranked_by.higher_is_better


def test_a_loss_without_an_exponential_still_has_a_perplexity_that_json_can_hold() -> None:
    assert math.isfinite(Language().measured({"loss": 1e6})["perplexity"])


def test_the_data_say_what_the_file_leaves_out() -> None:
    data = Language(unit="character")
    assert make_task(None, data) is data
    assert make_task({"name": "language"}, data) == data
    assert make_task({"name": "language", "unit": "byte"}, data) == Language(unit="byte")
    assert make_task({"name": "language"}, Classification()) == Language()


def test_an_unknown_task_or_parameter_is_refused_with_what_is_allowed() -> None:
    with pytest.raises(InputError, match=r"unknown task 'langage'.*did you mean 'language'"):
        make_task({"name": "langage"}, Regression())
    with pytest.raises(InputError, match=r"task 'regression': unknown parameter 'unit'"):
        make_task({"name": "regression", "unit": "byte"}, Regression())


@pytest.mark.parametrize(
    ("task", "inputs", "targets"),
    [
        (Classification(), torch.zeros(2, 3), torch.zeros(2, 1)),
        (Regression(), torch.zeros(2, 3), torch.zeros(2, dtype=torch.int64)),
        (Language(), torch.zeros(2, 3), torch.zeros(2, dtype=torch.int64)),
    ],
    ids=["classification", "regression", "language"],
)
def test_data_of_another_kind_are_named(task: Task, inputs: torch.Tensor, targets: torch.Tensor) -> None:
    assert task.mismatch(inputs, targets) is not None
