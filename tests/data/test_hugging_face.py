"""Data sets of Hugging Face that were saved to disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from growsearch.data import DataSource, load_data
from growsearch.data.hugging_face import HuggingFace
from growsearch.errors import DataError
from growsearch.tasks import Language, Regression
from growsearch.testing import DataSourceLaws

datasets: Any = pytest.importorskip("datasets", reason="needs the extra datasets")
pytestmark = pytest.mark.filterwarnings("ignore")


def rows(samples: int = 40, seed: int = 0) -> Any:
    generator = np.random.default_rng(seed)
    return datasets.Dataset.from_dict(
        {
            "width": generator.normal(size=samples).tolist(),
            "height": generator.normal(size=samples).tolist(),
            "curve": generator.normal(size=(samples, 6)).tolist(),
            "kind": [("cat", "dog")[index % 2] for index in range(samples)],
            "note": [None] * samples,
        }
    )


def numbers(folder: Path) -> HuggingFace:
    rows().save_to_disk(str(folder / "rows"))
    return HuggingFace(path=folder / "rows", inputs=("width", "height"), target="kind")


def parts(folder: Path) -> HuggingFace:
    whole = datasets.DatasetDict(train=rows(), validation=rows(10, 1), test=rows(12, 2))
    whole.save_to_disk(str(folder / "parts"))
    return HuggingFace(path=folder / "parts", inputs="curve", target="width")


def pictures(folder: Path) -> HuggingFace:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 5, 5, 3), dtype=np.uint8)
    features = datasets.Features(image=datasets.Image(), label=datasets.ClassLabel(names=["a", "b"]))
    content = {"image": list(pixels), "label": [index % 2 for index in range(40)]}
    datasets.Dataset.from_dict(content, features=features).save_to_disk(str(folder / "pictures"))
    return HuggingFace(path=folder / "pictures", inputs="image", target="label")


def text(folder: Path) -> HuggingFace:
    lines = [f"line {index} of {index * 7}" for index in range(200)]
    datasets.Dataset.from_dict({"text": lines}).save_to_disk(str(folder / "text"))
    return HuggingFace(path=folder / "text", inputs="text", context=16)


class TestLaws(DataSourceLaws):
    @pytest.fixture(params=[numbers, parts, pictures, text], ids=lambda make: make.__name__)
    def data(self, request: pytest.FixtureRequest, tmp_path: Path) -> DataSource:
        made: DataSource = request.param(tmp_path)
        return made


def test_columns_parts_and_pictures(tmp_path: Path) -> None:
    assert numbers(tmp_path).load(0).input_shape == (2,)
    found = parts(tmp_path).load(0)
    assert found.samples == {"training": 40, "validation": 10, "test": 12} and isinstance(found.task, Regression)
    assert pictures(tmp_path).load(0).input_shape == (3, 5, 5)


def test_a_column_of_text_without_a_target_is_language(tmp_path: Path) -> None:
    whole = text(tmp_path).load(0)
    assert isinstance(whole.task, Language) and whole.input_shape == (16,) and whole.outputs == 256
    first = bytes(whole.train.inputs[0].tolist()).decode()
    assert first.startswith("line 0 of 0\nline") and torch.equal(whole.train.inputs[0, 1:], whole.train.targets[0, :-1])

    lines = {"text": ["what is learned from"] * 20}
    apart = datasets.DatasetDict(train=datasets.Dataset.from_dict(lines), test=datasets.Dataset.from_dict(lines))
    apart.save_to_disk(str(tmp_path / "apart"))
    data = HuggingFace(path=tmp_path / "apart", inputs="text", context=8).load(0)
    assert data.samples == {"training": 46, "validation": 5, "test": 52}  # of 419 bytes each, 42 for validation


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"inputs": "widht"}, "no column 'widht'.*did you mean 'width'"),
        ({"inputs": ["width", "curve"]}, "several inputs, width, curve, have to be numbers each"),
        ({"inputs": "note"}, "sample 0 has None, which is neither"),
        ({"inputs": "width", "target": None}, "holds more than text"),
        ({"inputs": ["width", "height"], "target": None}, "text is one column"),
        ({"path": "nowhere", "inputs": "width"}, "there is no folder"),
        ({"path": ".", "inputs": "width"}, "was not written by save_to_disk"),
    ],
)
def test_what_cannot_be_used_is_refused(more: dict[str, Any], message: str, tmp_path: Path) -> None:
    numbers(tmp_path)
    with pytest.raises(DataError, match=message):
        load_data({"name": "hugging_face", "path": str(tmp_path / "rows"), "target": "kind", **more}, 0)
