"""What a search is told to try first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from growsearch.config import SearchConfig
from growsearch.errors import InputError
from growsearch.search.run import open_folder, starts_of
from growsearch.search.space import point_from, point_with
from growsearch.search.starts import starts
from tests.search.conftest import TEXT, MakeSpace, RunStub

RATE, SCALE = "training.optimizer.lr", "growth.how.random.scale"


def data_of(space: MakeSpace) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(space().data))
    return plain


def test_a_mapping_names_some_parameters_and_the_others_stand_in_the_middle(space: MakeSpace) -> None:
    point = point_with(data_of(space), {"growth.how": "random", SCALE: 0.5})

    assert point == {
        RATE: pytest.approx((2e-3 * 0.4) ** 0.5),
        "growth.when": "interval",
        "growth.when.interval.every": 3,
        "growth.how": "random",
        SCALE: 0.5,
    }


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({RATE: 1.0}, r"search.start.0: training.optimizer.lr: 1.0 is outside 0.002 to 0.4"),
        ({"growth.how": "split"}, r"growth.how: 'split' is outside zero, random"),
        ({SCALE: 0.5}, r"growth.how.random.scale: belongs to an option that is not chosen"),
        ({"lr": 0.1}, r"lr: is no parameter \(allowed: training.optimizer.lr"),
        ({RATE: "much"}, r"'much' is outside"),
        ("nowhere.yaml", r"nowhere.yaml is neither a file nor the folder of a search"),
    ],
)
def test_what_is_no_point_of_the_space_is_refused(space: MakeSpace, entry: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        starts(data_of(space), [entry])


def test_every_wrong_start_is_named_where_it_stands(space: MakeSpace) -> None:
    wrong = f"search:\n  start:\n    - {{lr: 0.1}}\n    - {{{RATE}: 0.1}}\n    - nowhere.yaml\n"
    text = TEXT[: TEXT.index("search:")] + wrong
    file = space(text=text)

    with pytest.raises(InputError) as refused:
        starts_of(file, SearchConfig(start=({"lr": 0.1}, {RATE: 0.1}, "nowhere.yaml")))

    last = text.count("\n")
    first, second = str(refused.value).splitlines()
    assert first.startswith(f"{file.path}:{last - 2}:7: search.start.0: lr: is no parameter (allowed")
    assert second == f"{file.path}:{last}:7: search.start.2: nowhere.yaml is neither a file nor the folder of a search"


def test_a_file_gives_what_the_space_leaves_open(space: MakeSpace, tmp_path: Path) -> None:
    """Its strategies are written in short, the number of epochs, which both fix, is another."""
    plain = yaml.safe_load(TEXT)
    plain["training"]["epochs"], plain["training"]["optimizer"]["lr"] = 7, 0.25
    plain["growth"] |= {"when": {"interval": {"every": 4, "count": 1}}, "how": "zero"}
    del plain["search"]
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(plain))

    found = starts(data_of(space), [str(path)])

    assert found == {
        "start 0": {RATE: 0.25, "growth.when": "interval", "growth.when.interval.every": 4, "growth.how": "zero"}
    }


def test_values_that_are_strategies_are_found_by_their_names() -> None:
    data = {"growth": {"how": {"type": "choice", "values": ["zero", "split"]}}}

    assert point_from(data, {"growth": {"how": {"split": {"noise": 0.0}}}}) == {"growth.how": "split"}


def test_starts_are_trained_first_and_samplers_learn_from_them(run_stub: RunStub, tmp_path: Path) -> None:
    first = f"search.start=[{{{RATE}: 0.1}}, {{{RATE}: 0.1}}, {{{RATE}: 0.2, growth.when: never}}]"

    results = run_stub(first, "search.budget.trials=9")

    named = [(trial.get("start"), trial.get("baseline"), trial["parameters"].get(RATE)) for trial in results["trials"]]
    assert named[:2] == [("start 0", None, 0.1), ("start 2", None, 0.2)]  # the second is the first once more
    assert [baseline for _, baseline, _ in named[2:5]] == ["small", "big", "random"]
    assert len(named) == 9 and all(start is None for start, _, _ in named[2:])


def test_an_older_search_gives_its_best_that_lie_in_the_space(
    run_stub: RunStub, space: MakeSpace, tmp_path: Path
) -> None:
    run_stub("search.baselines=false")
    older = open_folder(tmp_path / "run")
    values = sorted((trial.value, trial.number) for trial in older.trials() if trial.value is not None)

    found = list(starts(data_of(space), [str(tmp_path / "run")]).values())

    assert found == [older.trials()[number].params for _, number in values[:5]]
    narrow = data_of(space)
    narrow["training"]["optimizer"]["lr"] = {"type": "float", "low": 0.39999, "high": 0.4}
    with pytest.raises(InputError, match="none of the best trials of .*run lies in the space: training.optimizer.lr"):
        starts(narrow, [str(tmp_path / "run")])


def test_a_start_is_read_once_and_a_resumed_search_goes_on_without_it(
    run_stub: RunStub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(TEXT), "search": None, **_fixed()}))
    start = f"search.start=[{path}]"
    run_stub(start, "search.budget.trials=4")
    path.unlink()

    results = run_stub(start, "search.budget.trials=6")

    assert len(results["trials"]) == 6 and results["trials"][0]["start"] == "start 0"
    (tmp_path / "run").rename(tmp_path / "before")
    with pytest.raises(InputError, match=r"search.start.0: .*mine.yaml is neither a file"):
        run_stub(start)
    assert not (tmp_path / "run").exists()


def _fixed() -> dict[str, Any]:
    training = {**yaml.safe_load(TEXT)["training"], "optimizer": {"name": "sgd", "lr": 0.3}}
    return {
        "training": training,
        "growth": {"budget": {"width": 2.0}, "when": {"interval": {"every": 2}}, "how": "zero"},
    }
