"""An older search's trials in a new one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from growsearch.errors import InputError
from growsearch.search import search
from tests.search.conftest import MakeSpace

TEXT = """\
data: {name: digits}
network: {name: mlp, hidden: [4]}
training:
  epochs: 1
  batch_size: 256
  optimizer: {name: sgd, momentum: 0.5, lr: {type: float, low: 0.01, high: 0.2, log: true}}
  precision: float32
search: {budget: {trials: 3}, sampler: random, pruner: none, race: none, baselines: false}
"""
RATE = "training.optimizer.lr"


@pytest.fixture
def older(space: MakeSpace, tmp_path: Path) -> dict[str, Any]:
    """A finished search of three trials, in the folder `older`."""
    return search(space(text=TEXT), tmp_path / "older", "cpu", 1)


def newer(space: MakeSpace, home: Path, *overrides: str, text: str = TEXT) -> tuple[dict[str, Any], list[str]]:
    said: list[str] = []
    found = search(space(*overrides, text=text), home / "newer", "cpu", 1, imports=[home / "older"], said=said.append)
    return found, said


def test_trials_that_train_the_same_are_taken_over_as_finished(
    older: dict[str, Any], space: MakeSpace, tmp_path: Path
) -> None:
    """The range of the learning rate is wider now, and what was fixed has become a range."""
    text = TEXT.replace("low: 0.01", "low: 0.005")
    text = text.replace("momentum: 0.5", "momentum: {type: float, low: 0, high: 0.9}")

    found, said = newer(space, tmp_path, text=text)

    taken = [trial for trial in found["trials"] if "imported" in trial]
    own = [trial for trial in found["trials"] if "imported" not in trial]
    assert said == [f"{tmp_path / 'older'}: 3 of 3 trials are taken over as finished"]
    assert sorted(trial["parameters"][RATE] for trial in taken) == sorted(
        trial["parameters"][RATE] for trial in older["trials"]
    )
    assert {trial["parameters"]["training.optimizer.momentum"] for trial in taken} == {0.5}
    assert sorted(trial["values"] for trial in taken) == sorted(trial["values"] for trial in older["trials"])
    assert len(own) == 3 and found["spent"]["trials"] == 3  # the budget is for new ones
    assert min(trial["values"][0] for trial in found["trials"]) == next(
        trial["values"][0] for trial in found["trials"] if trial["number"] == found["best"][0]
    )
    assert (tmp_path / "newer" / "best.yaml").exists()


def test_what_was_taken_over_is_taken_over_again(older: dict[str, Any], space: MakeSpace, tmp_path: Path) -> None:
    newer(space, tmp_path)
    said: list[str] = []

    search(space(text=TEXT), tmp_path / "newest", "cpu", 1, imports=[tmp_path / "newer"], said=said.append)

    assert said == [f"{tmp_path / 'newer'}: 6 of 6 trials are taken over as finished"]


def test_what_was_tried_before_is_not_trained_again(older: dict[str, Any], space: MakeSpace, tmp_path: Path) -> None:
    values = [trial["parameters"][RATE] for trial in older["trials"]]
    text = TEXT.replace("{type: float, low: 0.01, high: 0.2, log: true}", f"{{type: choice, values: {values}}}")

    found, _ = newer(space, tmp_path, text=text)

    assert found["exhausted"] and all("imported" in trial for trial in found["trials"])


def test_trials_of_another_schedule_say_only_what_to_try_first(
    older: dict[str, Any], space: MakeSpace, tmp_path: Path
) -> None:
    found, [said] = newer(space, tmp_path, "training.epochs=2")

    assert said == (
        f"{tmp_path / 'older'}: 0 of 3 trials are taken over as finished; the best 3 of the others are tried first, "
        "their values not used: training.epochs differs"
    )
    assert [trial["start"] for trial in found["trials"]] == [
        f"{tmp_path / 'older'}: trial {number}" for number in by_value(older)
    ]
    assert all(trial["values"] not in [one["values"] for one in older["trials"]] for trial in found["trials"])


def test_trials_outside_the_space_are_left_out(older: dict[str, Any], space: MakeSpace, tmp_path: Path) -> None:
    best = older["trials"][by_value(older)[0]]["parameters"][RATE]

    _, [said] = newer(space, tmp_path, text=TEXT.replace("low: 0.01, high: 0.2", f"low: {best}, high: {best * 1.001}"))

    assert "1 of 3 trials are taken over" in said and "2 lie outside the space" in said


def test_a_search_that_has_begun_takes_nothing_over(older: dict[str, Any], space: MakeSpace, tmp_path: Path) -> None:
    newer(space, tmp_path)

    with pytest.raises(InputError, match="has begun: older trials are taken over when a search is new"):
        newer(space, tmp_path)
    with pytest.raises(InputError, match="holds no search"):
        search(space(text=TEXT), tmp_path / "third", "cpu", 1, imports=[tmp_path])
    assert not (tmp_path / "third").exists()  # or `resume` would go on without it


def by_value(found: dict[str, Any]) -> list[int]:
    return [trial["number"] for trial in sorted(found["trials"], key=lambda trial: trial["values"][0])]
