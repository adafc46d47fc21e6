"""What nothing can be done with is told in a sentence, before anything is traced."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from growsearch import InputError
from tests.growth.tasks import grower_for, mlp


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"batches": 3}, "batches: 3 is not allowed: give a list"),
        ({"objective": "ce"}, "objective: 'ce' is not allowed: give a function"),
        ({"companions": 3}, "companions: 3 is not allowed"),
        ({"companions": [{}]}, "companions: a dict is no torch.nn.Module"),
        ({"sites": "first"}, "sites: 'first' is not allowed: give a list of names"),
        ({"sites": [3]}, "sites: .3. is not allowed: give a list of names"),
        ({"frozen": 3}, "frozen: 3 is not allowed"),
        ({"limits": 3}, "limits: 3 is not allowed: give a mapping"),
        ({"amount": "a"}, "amount: a must be above 0"),
        ({"total_steps": 0}, "total_steps: 0 is not allowed: give a whole number of at least 1"),
        ({"steps_per_epoch": "a"}, "steps_per_epoch: 'a' is not allowed"),
        ({"when": {"interval": 5}}, "when interval: give its parameters as a mapping, found 5"),
    ],
    ids=str,
)
def test_what_nothing_can_be_done_with_is_told_in_a_sentence(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        grower_for(mlp(), how="zero", **given)


@pytest.mark.parametrize("value", ["0.5 %", None, torch.ones(2)], ids=str)
def test_what_is_reported_is_a_number(value: Any) -> None:
    grower = grower_for(mlp(), how="zero", when="plateau")
    with pytest.raises(InputError, match="report: validation_accuracy=.* is no number"):
        grower.report(validation_accuracy=value)
    grower.report(validation_accuracy=torch.tensor(0.5))
