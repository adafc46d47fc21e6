"""How long the runs of a comparison were, in words."""

from __future__ import annotations

import pytest

from growsearch.report.provenance import length_of


@pytest.mark.parametrize(
    ("training", "words"),
    [
        ({"epochs": 30}, "30 epochs"),
        ({"epochs": None, "steps": 1}, "1 step"),
        ({"epochs": None, "steps": None, "flops": 2e10}, "20 G training FLOPs"),
    ],
)
def test_every_kind_of_length_has_words(training: dict[str, float | None], words: str) -> None:
    assert length_of(training) == words
