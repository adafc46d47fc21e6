from __future__ import annotations

from typing import Any

import pytest

from growsearch.data import load_data, validate_data
from growsearch.errors import InputError
from growsearch.registry import lookup, names


def test_every_installed_data_set_describes_itself() -> None:
    installed = names("data")
    assert {"cifar10", "cifar100", "digits", "image_folder", "teacher_student"} <= set(installed)
    assert all(lookup("data", name).summary and lookup("data", name).source for name in installed)


def test_data_are_loaded_by_name_with_parameters() -> None:
    data = load_data({"name": "teacher_student", "inputs": 3, "samples": 7}, seed=0)
    assert data.train.inputs.shape == (7, 3)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"name": "digit"}, "did you mean 'digits'"),
        ({}, "needs a name"),
        ({"name": "image_folder"}, "parameter 'root' is missing"),
        ({"name": "cifar10", "validaton": 3}, "did you mean 'validation'"),
        ({"name": "cifar10", "validation": -3}, "validation"),
        ({"name": "cifar10", "validation": 1.0}, "validation"),
    ],
    ids=str,
)
def test_a_wrong_spec_is_refused(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        validate_data(spec)
