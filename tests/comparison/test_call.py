"""`growsearch.compare` from Python, and what notebooks show."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml
from torch import nn

import growsearch
from growsearch.errors import InputError
from tests.config.conftest import PLAIN

SPACE = yaml.safe_load(PLAIN) | {"policies": {"still": {"growth": {"when": "never"}}, "grown": {}}, "seeds": 2}
QUICK = ["training.epochs=1"]


def test_a_comparison_is_one_call_with_typed_results(tmp_path: Path) -> None:
    results = growsearch.compare(SPACE, tmp_path / "run", overrides=QUICK, device="cpu", quiet=True)

    assert [row.policy for row in results.rows()] and {row.seeds for row in results.rows()} == {2}
    records = results.records()
    assert [(one["policy"], one["seed"]) for one in records] == [("still", 0), ("still", 1), ("grown", 0), ("grown", 1)]
    assert all(isinstance(one["test_accuracy"], float) for one in records)
    html = results._repr_html_()
    assert results.conclusions.advice.headline in html and html.count("<tr>") == 3

    assert growsearch.read_results(str(tmp_path / "run")) == results
    pytest.importorskip("pandas")
    assert list(results.frame()["test_accuracy"]) == [one["test_accuracy"] for one in records]

    again = growsearch.compare(SPACE, tmp_path / "run", overrides=QUICK, device="cpu", quiet=True, seeds=3)
    assert [one for one in again.records() if one["seed"] < 2] == records  # the old runs, and a new seed


def test_what_cannot_be_compared_is_an_input_error(tmp_path: Path) -> None:
    for space, message in (
        ({**SPACE, "policies": None}, "no policies to compare"),
        ({**SPACE, "seeds": 0}, "seeds: must be a whole number"),
        ({**SPACE, "network": {"name": "mlp", "hiden": [3]}}, "^the mapping: network.hiden: unknown key"),
        ({**SPACE, "data": {"name": "digits", "root": Path("x")}}, "the mapping holds what no file can .found .*Path"),
        ("nowhere", "nowhere"),
    ):
        with pytest.raises(InputError, match=message):
            growsearch.compare(space, tmp_path / "run", quiet=True)
    assert not (tmp_path / "run").exists()


def test_the_folder_of_a_search_is_not_called_damaged(tmp_path: Path) -> None:
    (tmp_path / "search.json").write_text("{}")
    (tmp_path / "results.json").write_text("{}")

    with pytest.raises(InputError, match="holds a search and no comparison: read_search reads it"):
        growsearch.read_results(tmp_path)


def test_graphs_and_events_show_themselves_in_notebooks() -> None:
    model, x = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)), torch.randn(8, 3)
    graph = growsearch.trace(model, x)
    assert graph._repr_svg_().startswith("<svg")

    event = growsearch.grow(model, x, {"0": 2}, how="zero")

    html = event._repr_html_()
    assert "<th>0</th><td>+2</td><td></td><td>6</td>" in html and "26 to 38 parameters" in html
