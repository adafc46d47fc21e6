"""Any torch Dataset by its import path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from growsearch.config import load_space
from growsearch.data import DataSource, load_data, outline_data
from growsearch.data.imported import Imported
from growsearch.errors import ConfigError, DataError, InputError
from growsearch.tasks import Regression
from growsearch.testing import DataSourceLaws

HERE = "tests.data.user_data"


class TestLaws(DataSourceLaws):
    @pytest.fixture(params=["pairs", "apart", "Stream", "pictures"])
    def data(self, request: pytest.FixtureRequest) -> DataSource:
        return Imported(factory=f"{HERE}:{request.param}")


def load(name: str, allow: bool = True, **more: Any) -> Any:
    return load_data({"name": "dataset", "factory": f"{HERE}:{name}", **more}, 0, allow)


def test_arguments_and_kinds() -> None:
    assert load("pairs", arguments={"samples": 80}, test=0.5).samples == {"training": 36, "validation": 4, "test": 40}
    assert load("apart", validation=0).samples == {"training": 40, "validation": 0, "test": 20}
    stream = load("Stream")
    assert isinstance(stream.task, Regression) and stream.input_shape == (1,)
    assert load("pictures").input_shape == (3, 8, 8) and len(load("pictures").mean) == 3


def test_nothing_is_imported_without_leave(tmp_path: Path) -> None:
    spec = {"name": "dataset", "factory": f"{HERE}:pairs"}
    for look in (lambda: load_data(spec, 0), lambda: outline_data(spec)):
        with pytest.raises(InputError, match="pass --allow-import"):
            look()
    file = tmp_path / "a.yaml"
    file.write_text(
        f"data: {{name: dataset, factory: '{HERE}:pairs'}}\nnetwork: mlp\n"
        "training: {epochs: 1, optimizer: {name: sgd, lr: 0.1}}\n"
    )
    with pytest.raises(ConfigError, match="data.name: it is imported.*--allow-import"):
        load_space(file)
    assert load_space(file, allow_import=True).plain().allow_import


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("nothing", InputError, "cannot be imported: module .* has no attribute 'nothing'"),
        ("failing", DataError, "failed with {}: KeyError: 'no such drive'"),
        ("ragged", DataError, "needed is a torch.utils.data.Dataset|returned a list"),
        ("Ragged", DataError, r"sample 1 has shape \[3\], the first one \[2\]"),
        ("Broken", DataError, "user_data:Broken', train: sample 2 failed: OSError: the disk is gone"),
        ("Single", DataError, "sample 0 is a tuple: give pairs"),
    ],
)
def test_what_cannot_be_used_is_refused(name: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        load(name)
