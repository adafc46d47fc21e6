"""A table that is made, killed, gone on with and assembled."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.growth_tables import make as making
from experiments.growth_tables.assemble import assemble, joined
from experiments.growth_tables.make import make, read_lines
from experiments.growth_tables.run import line_of
from growsearch.config import load_space
from growsearch.errors import InputError
from growsearch.search.drawing import quasi_random
from growsearch.tables import load, save

SPACES = Path(making.__file__).parent / "spaces"


def space(file: Path, **training: Any) -> dict[str, Any]:
    content = {
        "data": {"name": "digits"},
        "network": {"name": "mlp", "hidden": [8], "width": {"type": "float", "low": 0.5, "high": 1.0}},
        "training": {
            "epochs": 2,
            "batch_size": 512,
            "optimizer": {"name": "sgd", "lr": {"type": "float", "low": 0.01, "high": 1.0, "log": True}},
            **training,
        },
        "growth": {"budget": {"width": 1.0}, "when": {"interval": {"every": 2}}, "where": "uniform", "how": "random"},
    }
    file.write_text(json.dumps(content))
    return load_space(file).data


def without_times(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    plain = json.loads(json.dumps(lines))
    for line in plain:
        for part in (line["rows"], line["final"]):
            part.pop("seconds"), part.pop("growth_seconds", None)
    return plain


def test_a_table_goes_on_after_a_kill_and_is_as_it_would_have_been(tmp_path: Path) -> None:
    data = space(tmp_path / "space.yaml")
    make(data, tmp_path / "whole", configurations=2, seeds=2)
    make(data, tmp_path / "killed", configurations=2, seeds=2)
    path = tmp_path / "killed" / "runs.jsonl"
    kept = path.read_text().splitlines(keepends=True)
    path.write_text("".join(kept[:2]) + kept[2][:100])  # in the middle of a line

    make(data, tmp_path / "killed", configurations=2, seeds=2)

    whole = read_lines(tmp_path / "whole")
    assert path.read_text().splitlines(keepends=True)[:2] == kept[:2]
    assert without_times(read_lines(tmp_path / "killed")) == without_times(whole)
    assert [(line["configuration"], line["seed"]) for line in whole] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert len(json.loads((tmp_path / "killed" / "table.json").read_text())["begun"]) == 2


def test_a_line_has_the_whole_curve_and_the_figures_at_the_end(tmp_path: Path) -> None:
    data = space(tmp_path / "space.yaml")
    line = line_of(data, 3, 1)

    assert (line["configuration"], line["seed"], line["state"]) == (3, 1, "complete")
    assert line["parameters"] == quasi_random(data, 0, 3)
    assert line["rows"]["step"] == [3, 6]
    assert {"validation_loss", "validation_accuracy", "parameters", "training_flops", "seconds"} <= line["rows"].keys()
    assert line["final"]["parameters"] == line["rows"]["parameters"][-1]
    assert 0 < line["final"]["test_accuracy"] <= 1


def test_a_run_that_diverges_is_recorded_with_the_curve_up_to_there(tmp_path: Path) -> None:
    data = space(tmp_path / "space.yaml", optimizer={"name": "sgd", "lr": {"type": "float", "low": 1e8, "high": 1e9}})
    make(data, tmp_path / "table", configurations=1, seeds=2)

    table = assemble("diverging", tmp_path / "table")

    assert table.states.tolist() == [["diverged"] * 2]
    assert "lower the learning rate" in table.reasons[0, 0]


def test_assembling_takes_whole_configurations_and_names_what_is_wanted(tmp_path: Path) -> None:
    data = space(tmp_path / "space.yaml")
    make(data, tmp_path / "table", configurations=2, seeds=2)
    path = tmp_path / "table" / "runs.jsonl"
    lines = read_lines(tmp_path / "table")
    path.write_text("".join(json.dumps(line) + "\n" for line in lines[:3]))

    table = assemble("small", tmp_path / "table", wanted=9)

    assert (len(table), table.seeds.tolist(), table.shares.tolist()) == (1, [0, 1], [0.5, 1.0])
    assert table.point(0) == pytest.approx(quasi_random(data, 0, 0))
    assert table.about["configurations wanted"] == 9
    losses = [line["rows"]["validation_loss"] for line in lines[:2]]
    np.testing.assert_allclose(table.curves["validation_loss"][0], losses, atol=1e-5)
    assert table.final["test_loss"].tolist() == [[line["final"]["test_loss"] for line in lines[:2]]]


def test_a_table_is_gone_on_with_from_its_file_alone(tmp_path: Path) -> None:
    data = space(tmp_path / "space.yaml")
    make(data, tmp_path / "whole", configurations=3, seeds=2)
    make(data, tmp_path / "first", configurations=1, seeds=2)
    make(data, tmp_path / "rest", configurations=3, seeds=2, first=1)
    save(assemble("small", tmp_path / "first"), tmp_path / "first.npz")

    table = joined(load(tmp_path / "first.npz"), assemble("small", tmp_path / "rest", wanted=9, first=1))

    whole = assemble("small", tmp_path / "whole", wanted=9)
    assert [line["configuration"] for line in read_lines(tmp_path / "rest")] == [1, 1, 2, 2]
    np.testing.assert_array_equal(table.values, whole.values)
    np.testing.assert_array_equal(table.ends("validation_loss"), whole.ends("validation_loss"))
    assert table.states.tolist() == whole.states.tolist()
    assert table.about["configurations wanted"] == 9


def test_a_table_is_not_gone_on_with_by_runs_of_another_space(tmp_path: Path) -> None:
    make(space(tmp_path / "space.yaml"), tmp_path / "table", configurations=1, seeds=1)
    make(space(tmp_path / "other.yaml", batch_size=256), tmp_path / "other", configurations=2, seeds=1, first=1)
    before, after = assemble("small", tmp_path / "table"), assemble("small", tmp_path / "other", first=1)
    with pytest.raises(InputError, match="go on with another space"):
        joined(before, after)
    with pytest.raises(InputError, match="go on with other seeds"):
        joined(before, replace(after, space=before.space, seeds=after.seeds + 1))


def test_rows_of_runs_that_flops_end_stand_at_their_share(tmp_path: Path) -> None:
    data = space(tmp_path / "space.yaml", epochs=None, flops=1e8, rows=5)
    make(data, tmp_path / "table", configurations=1, seeds=1)

    table = assemble("by FLOPs", tmp_path / "table")

    flops = table.curves["training_flops"][0, 0]
    assert np.all(np.isfinite(flops)) and np.all(np.diff(flops) >= 0)
    assert np.all(flops[:-1] >= table.shares[:-1] * 1e8)


def test_another_space_is_refused_in_the_same_folder(tmp_path: Path) -> None:
    make(space(tmp_path / "space.yaml"), tmp_path / "table", configurations=1, seeds=1)
    with pytest.raises(InputError, match="has a table of another space"):
        make(space(tmp_path / "other.yaml", batch_size=256), tmp_path / "table", configurations=1, seeds=1)


@pytest.mark.parametrize("name", ["digits", "cifar10_jpeg", "language"])
def test_the_spaces_are_sound_at_all_their_ends(name: str) -> None:
    assert load_space(SPACES / f"{name}.yaml").ranges
