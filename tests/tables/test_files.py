"""Tables as files: what is written is read again, and what is no table is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from growsearch.errors import InputError
from growsearch.search.drawing import quasi_random
from growsearch.tables import GrowthTable, load, names, save
from growsearch.tables import files as table_files
from tests.tables.conftest import SPACE


def test_a_table_that_is_saved_and_loaded_is_the_same(table: GrowthTable, tmp_path: Path) -> None:
    states = table.states.copy()
    states[3, 1] = "diverged"
    table = replace(table, states=states, reasons={(3, 1): "the loss is nan"})

    save(table, tmp_path / "table.npz")
    again = load(tmp_path / "table.npz")

    assert (again.name, again.space, again.parameters) == (table.name, table.space, table.parameters)
    assert (again.reasons, again.about) == (table.reasons, table.about)
    for name in ("values", "seeds", "shares", "states"):
        np.testing.assert_array_equal(getattr(again, name), getattr(table, name))
    for kind in ("curves", "final"):
        one, other = getattr(again, kind), getattr(table, kind)
        assert list(one) == list(other)
        for name in one:
            np.testing.assert_array_equal(one[name], other[name])


def test_the_points_are_those_that_were_drawn(table: GrowthTable) -> None:
    assert [table.point(index) for index in range(9)] == [quasi_random(SPACE, 0, index) for index in range(9)]
    assert {table.plain(index)["growth"]["when"].popitem()[0] for index in range(9)} == {"never", "interval"}


def test_columns_have_a_row_for_every_run_with_its_figures_at_the_end(table: GrowthTable) -> None:
    columns = table.columns()

    assert {len(column) for column in columns.values()} == {len(table) * len(table.seeds)}
    row = next(i for i in range(480) if (columns["configuration"][i], columns["seed"][i]) == (7, 2))
    assert columns["validation_loss"][row] == table.curves["validation_loss"][7, 2, -1]
    assert columns["growth.when"][row] == table.point(7)["growth.when"]
    assert columns["network.width"][row] == table.point(7)["network.width"]


def test_the_frame_has_the_columns(table: GrowthTable) -> None:
    pytest.importorskip("pandas")
    frame = table.frame()

    assert list(frame.columns) == list(table.columns())
    assert frame.groupby("configuration")["validation_loss"].mean()[7] == pytest.approx(
        table.curves["validation_loss"][7, :, -1].mean()
    )


def test_an_unknown_name_is_told_what_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_files, "_FOLDER", tmp_path)
    with pytest.raises(InputError, match="the wheel has none: take experiments/growth_tables/NAME.npz"):
        load("digits")
    (tmp_path / "digits.npz").touch()
    assert names() == ["digits"]
    with pytest.raises(InputError, match=r"no table 'letters' \(allowed digits, or the path of an .npz file\)"):
        load("letters")


def test_a_name_is_looked_for_in_the_checkout(
    table: GrowthTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_files, "_FOLDER", tmp_path)
    save(table, tmp_path / "mine.npz")
    assert len(load("mine")) == len(table)


def test_files_that_are_no_tables_are_refused(table: GrowthTable, tmp_path: Path) -> None:
    path = tmp_path / "table.npz"
    path.write_bytes(b"nothing")
    with pytest.raises(InputError, match="is no table of growth"):
        load(path)
    np.savez(path, something=np.zeros(3))
    with pytest.raises(InputError, match="is no table of growth"):
        load(path)
    np.savez(path, about=np.array([{"code": "run"}], dtype=object))
    with pytest.raises(InputError, match="allow_pickle"):
        load(path)
    np.savez(path, about=np.array(json.dumps({"schema": 99})))
    with pytest.raises(InputError, match="has schema 99"):
        load(path)


def test_arrays_that_do_not_fit_are_named(table: GrowthTable, tmp_path: Path) -> None:
    curves = {**table.curves, "seconds": table.curves["seconds"][:, :3]}
    save(replace(table, curves=curves), tmp_path / "table.npz")
    with pytest.raises(InputError, match=r"curve.seconds has shape \[60, 3, 5\], and \[60, 8, 5\] is needed"):
        load(tmp_path / "table.npz")
    save(replace(table, parameters=table.parameters[:-1], values=table.values[:, :-1]), tmp_path / "table.npz")
    with pytest.raises(InputError, match="its parameters are not those of its space"):
        load(tmp_path / "table.npz")
