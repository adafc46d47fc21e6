"""Tables in .csv files: numbers, categories and gaps, and what a first file says of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from growsearch.data import DataSet
from growsearch.data.arrays import Arrays
from growsearch.data.table_advice import advise
from growsearch.errors import DataError
from growsearch.tasks import Regression


def load(file: Path, **more: Any) -> DataSet:
    return Arrays.model_validate({"file": file, "standardise": False, **more}).load(0)


def written(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(rows) + "\n")
    return path


def everything(data: DataSet) -> dict[float, list[float]]:
    """The inputs of all samples by their targets, which tell them apart."""
    splits = [split for split in (data.train, data.validation, data.test) if split is not None]
    inputs = torch.cat([split.inputs for split in splits])
    targets = torch.cat([split.targets for split in splits])
    return {float(t): [float(x) for x in row] for t, row in zip(targets.flatten(), inputs, strict=True)}


def test_columns_of_numbers_are_learned_together(tmp_path: Path) -> None:
    file = written(tmp_path / "a.csv", "a,b,c,kind", *(f"{i},{i * 0.5},{-i},x" for i in range(20)))
    data = load(file, target=["a", "b"], ignore=["kind"])

    assert isinstance(data.task, Regression) and (data.input_shape, data.outputs) == ((1,), 2)


def test_each_value_of_a_category_is_an_input(tmp_path: Path) -> None:
    file = written(
        tmp_path / "a.csv", "size,colour,y", *(f"{10 * i},{('red', 'blue')[i % 2]},{i}.5" for i in range(20))
    )

    inputs = everything(load(file, target="y", categories=["colour"]))

    assert inputs[4.5] == [40, 0, 1] and inputs[7.5] == [70, 1, 0]  # size, colour=blue, colour=red


def test_numbers_can_be_categories(tmp_path: Path) -> None:
    file = written(tmp_path / "a.csv", "month,y", *(f"{i % 3},{i}.5" for i in range(20)))

    assert everything(load(file, target="y", categories=["month"]))[4.5] == [0, 1, 0]


def test_a_second_file_has_the_categories_of_the_first(tmp_path: Path) -> None:
    first = written(tmp_path / "a.csv", "c,x,y", *(f"{'pq'[i % 2]},1,{i}.5" for i in range(20)))
    second = written(tmp_path / "b.csv", "c,x,y", "q,1,0.5", "new,1,1.5")

    data = load(first, target="y", categories=["c"], test=str(second), validation=0)

    assert data.test.inputs.tolist() == [[0, 1, 1], [0, 0, 1]]


def test_a_gap_in_a_second_file_is_refused_like_one_in_the_first(tmp_path: Path) -> None:
    first = written(tmp_path / "a.csv", "c,x,y", *(f"{'pq'[i % 2]},1,{i}.5" for i in range(20)))
    second = written(tmp_path / "b.csv", "c,x,y", "q,1,0.5", ",1,1.5")

    with pytest.raises(DataError, match=r"b\.csv, line 3: column 'c' is empty"):
        load(first, target="y", categories=["c"], test=str(second), validation=0)


def test_rows_with_gaps_are_dropped(tmp_path: Path) -> None:
    rows = [f"{i},{'pq'[i % 2]},{i}.5" for i in range(20)]
    rows[3], rows[5], rows[8], rows[9] = "NA,q,3.5", "5,,5.5", "8,p,", ",p,9.5"
    file = written(tmp_path / "a.csv", "x,c,y", *rows)

    left = everything(load(file, target="y", categories=["c"], missing="drop"))

    assert sorted(left) == [i + 0.5 for i in range(20) if i not in (3, 5, 8, 9)]


def test_gaps_are_filled_with_the_mean_of_the_training_samples(tmp_path: Path) -> None:
    rows = [f"{i},{'pq'[i % 2]},{i}.5" for i in range(20)]
    rows[3], rows[5], rows[6] = "?,q,3.5", "5,,5.5", ",p,6.5"
    first = written(tmp_path / "a.csv", "x,c,y", *rows)
    second = written(tmp_path / "b.csv", "x,c,y", "1000,p,0.5", "nan,q,1.5")
    mean = sum(i for i in range(20) if i not in (3, 6)) / 18

    data = load(first, target="y", categories=["c"], missing="fill", test=str(second), validation=0)

    inputs = dict(zip(data.train.targets.flatten().tolist(), data.train.inputs.tolist(), strict=True))
    assert inputs[3.5] == pytest.approx([mean, 0, 1]) and inputs[6.5] == pytest.approx([mean, 1, 0])
    assert inputs[5.5] == [5, 0, 0]
    assert data.test.inputs.tolist()[1] == pytest.approx([mean, 0, 1])  # not of the test samples


@pytest.mark.parametrize(
    ("text", "more", "message"),
    [
        ("a,b\n1,2\n3,\n", {"target": "a"}, "line 3: column 'b' is empty: put a value there, or say data.missing"),
        ("a,b\n1,2\n3,NA\n", {"target": "a"}, "line 3: column 'b' has 'NA': put a value there, or say data.missing"),
        ("a,b\n1,2\n3,x\n", {"target": "a"}, "line 3: column 'b' has 'x', which is no number: name .*data.categories"),
        ("a,b\n1,2\n3,x\n", {"target": "a", "missing": "fill"}, "'x', which is no number"),
        ("a,b\n1,2\n3\n", {"target": "a"}, "line 3: 1 values for 2 columns"),
        ("a,b\n1,2\n,3\n", {"target": "a"}, "line 3: column 'a' is empty: every sample"),
        ("a,b\n1,2\n,3\n", {"target": "a", "missing": "fill"}, "line 3: column 'a' is empty: every sample.*drop"),
        ("a,b\n1,2\n4,\n", {"target": "a", "ignore": ["b"]}, "no column beside a, b: nothing to learn from"),
        ("a,b\n1,\n4,\n", {"target": "a", "missing": "drop"}, "every row lacks a value"),
        ("a,b\n" + "1.5,\n" * 9, {"target": "a", "missing": "fill"}, "no training sample has a value in column 'b'"),
        ("a,b\n1,p\n4,\n", {"target": "a", "categories": ["b"]}, "line 3: column 'b' is empty"),
        ("a,b\n1,p\n4,q\n", {"target": "a", "categories": ["b"]}, "'b' has 2 values in 2 rows.*data.ignore"),
        ("a,b\n1,p\n", {"target": "a", "categories": ["b"], "ignore": ["b"]}, "b: a column is one of target, categ"),
        ("a,b\n1,p\n", {"target": "a", "categories": ["a"]}, "a: a column is one of target, categories and ignore"),
        ("a,a\n1,2\n", {"target": "a"}, r"\['a'\] are named twice"),
        ("a,b\n1,2\n", {"target": "bb"}, "no column 'bb': it has a, b .did you mean 'b'"),
        ("a,b\n1,2\n", {"target": "b", "categories": ["c"]}, "no column 'c': it has a, b"),
        ("a;b\n1;2\n", {"target": "b"}, "no column 'b'.*is data.delimiter ';'"),
        ("a,b\n1,2\n", {}, "name the column that is learned in data.target"),
        ("a,b\n", {"target": "b"}, "has one line: the first names"),
        ("a,b\n1,0\n" + "inf,1\n" * 9, {"target": "b"}, "9 of the inputs are no finite.*column 'a'"),
        ("a,b\n1,0\n" + "inf,1\n" * 9, {"target": "b", "missing": "fill"}, "9 of the inputs are no finite.*column 'a'"),
    ],
)  # fmt: skip
def test_tables_that_cannot_be_used_are_refused(text: str, more: dict[str, Any], message: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(text)

    with pytest.raises(DataError, match=message):
        load(tmp_path / "a.csv", **more)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([f"street {i}" for i in range(30)], "it is text with 30 values in 30 rows"),
        ([str(7 + i) for i in range(30)], "its values count the rows"),
        ([""] * 30, "it has no values"),
        (
            [f"{i % 29}.5" for i in range(28)] + ["1,5 m", "about 2"],
            "2 of its 30 values are no numbers, the first is '1,5 m' in line 30",
        ),
    ],
)
def test_columns_that_tell_nothing_are_left_out(values: list[str], reason: str, tmp_path: Path) -> None:
    rows = (f"{value}\t{i * 0.3}\t{i % 4}.5" for i, value in enumerate(values))
    found = advise(written(tmp_path / "a.csv", "first\tx\ty", *rows), "y")

    assert found.settings == {"delimiter": "\t", "ignore": ["first"]}
    assert found.reasons == [f"column 'first' is left out (data.ignore): {reason}"]


def test_years_and_counts_are_kept(tmp_path: Path) -> None:
    rows = (f"{2000 + i // 2},{i * i},{i % 4}.5" for i in range(30))

    assert advise(written(tmp_path / "a.csv", "year,count,y", *rows), "y").settings == {}


def test_rows_without_a_target_are_dropped(tmp_path: Path) -> None:
    rows = (f"{i * 0.5},{'' if i == 3 else i * 1000}" for i in range(30))
    found = advise(written(tmp_path / "a.csv", "x,y", *rows), "y")

    assert found.settings == {"missing": "drop", "predict": "numbers"}
    assert found.reasons == ["column 'y' lacks values: rows that lack something are dropped (data.missing)"]
