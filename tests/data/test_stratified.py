"""Splits with the same share of every class, as scikit-learn makes them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from growsearch.data import load_data
from growsearch.data.stratified import stratified_split


@pytest.mark.parametrize(("classes", "held_out", "seed"), [(10, 400, 0), (7, 33, 1), (3, 50, 2)])
def test_the_split_is_that_of_scikit_learn(classes: int, held_out: int, seed: int) -> None:
    targets = np.random.default_rng(seed).integers(classes, size=500)
    kept, taken = stratified_split(targets, held_out, seed)
    expected = train_test_split(np.arange(500), test_size=held_out, stratify=targets, random_state=seed)
    assert [kept.tolist(), taken.tolist()] == [part.tolist() for part in expected]


def test_digits_are_those_of_scikit_learn() -> None:
    found, digits = load_data({"name": "digits"}, 0), load_digits()
    rest, test = train_test_split(np.arange(1797), test_size=400, stratify=digits.target, random_state=0)
    assert (found.test.inputs[:, 0].numpy() == np.round(digits.images[test] * (255 / 16))).all()
    assert found.test.targets.tolist() == digits.target[test].tolist()
    held_out = train_test_split(rest, test_size=300, stratify=digits.target[rest], random_state=0)[1]
    assert found.validation is not None
    assert found.validation.targets.tolist() == digits.target[held_out].tolist()
