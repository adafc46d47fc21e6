"""A user's own files: what they give, that they keep the laws, and the one message where they cannot be used."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from growsearch.config.run_config import normalized
from growsearch.data import DataSet, DataSource, load_data
from growsearch.data.arrays import Arrays
from growsearch.errors import DataError, InputError
from growsearch.tasks import Classification, Language, Regression
from growsearch.testing import DataSourceLaws
from growsearch.training import run_one


def numbers(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=shape)


def classes(samples: int, seed: int = 1) -> Any:
    return np.random.default_rng(seed).integers(0, 3, samples)


def npz(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def table(path: Path) -> Path:
    rows = numbers(60, 2)
    lines = [f"{a:.6f}, {b:.6f}, {'abc'[index % 3]}, {index}" for index, (a, b) in enumerate(rows)]
    path.write_text("\n".join(["width, height, kind, row", *lines]))
    return path


def load(file: Path, **more: Any) -> DataSet:
    return load_data({"name": "arrays", "file": str(file), **more}, 0)


def vectors(folder: Path) -> Arrays:
    return Arrays(file=npz(folder / "vectors.npz", inputs=numbers(60, 5), targets=classes(60)))


def images(folder: Path) -> Arrays:
    pixels = np.random.default_rng(0).integers(0, 256, (60, 6, 6), dtype=np.uint8)
    parts = {"x_train": pixels[:40], "y_train": classes(40), "x_test": pixels[40:], "y_test": classes(20)}
    return Arrays(file=npz(folder / "images.npz", **parts))


def several_targets(folder: Path) -> Arrays:
    content = {"inputs": torch.randn(50, 3, 4), "targets": torch.randn(50, 2)}
    torch.save(content, folder / "curves.pt")
    return Arrays(file=folder / "curves.pt", validation=0)


def tokens(folder: Path) -> Arrays:
    text = torch.randint(0, 20, (400, 9))
    torch.save((text[:, :-1], text[:, 1:]), folder / "tokens.pt")
    return Arrays(file=folder / "tokens.pt")


def rows(folder: Path) -> Arrays:
    return Arrays(file=table(folder / "rows.csv"), target="kind", ignore=("row",), validation=5)


class TestLaws(DataSourceLaws):
    @pytest.fixture(params=[vectors, images, several_targets, tokens, rows], ids=lambda make: make.__name__)
    def data(self, request: pytest.FixtureRequest, tmp_path: Path) -> DataSource:
        make: Callable[[Path], DataSource] = request.param
        return make(tmp_path)


def test_vectors_are_standardised_by_the_training_samples(tmp_path: Path) -> None:
    file = npz(tmp_path / "a.npz", inputs=100 + 7 * numbers(60, 5), targets=classes(60))
    data, plain = load(file), load(file, standardise=False)

    assert data.samples == {"training": 43, "validation": 5, "test": 12} and isinstance(data.task, Classification)
    assert torch.allclose(data.train.inputs.mean(0), torch.zeros(5), atol=1e-5)
    assert torch.allclose(data.train.inputs.std(0, correction=0), torch.ones(5), atol=1e-5)
    assert plain.train.inputs.mean() > 90 and not torch.allclose(data.test.inputs.mean(0), torch.zeros(5), atol=1e-5)


def test_numbers_that_are_learned_are_standardised_and_the_scale_is_kept(tmp_path: Path) -> None:
    file = npz(tmp_path / "a.npz", inputs=numbers(60, 2), targets=1e5 + 3e3 * numbers(60, 2, seed=1))
    data, plain = load(file), load(file, standardise=False)
    assert data.normalisation is not None and plain.normalisation is None
    mean, std = (torch.tensor(data.normalisation["targets"][name]) for name in ("mean", "std"))

    assert torch.allclose(data.train.targets.std(0, correction=0), torch.ones(2), atol=1e-4)
    assert torch.allclose(data.test.targets * std + mean, plain.test.targets, rtol=1e-4)
    assert set(data.normalisation) == {"inputs", "targets"}


def test_what_was_learned_is_written_with_its_scale(tmp_path: Path) -> None:
    npz(tmp_path / "a.npz", inputs=numbers(40, 2), targets=50 + numbers(40))
    config = normalized(
        {
            "data": {"name": "arrays", "file": str(tmp_path / "a.npz")},
            "network": {"name": "mlp", "hidden": [4]},
            "training": {"epochs": 1, "batch_size": 20, "optimizer": {"name": "sgd", "lr": 0.1}},
        }
    )
    run_one(config, 0, tmp_path / "run", device="cpu")
    written = json.loads((tmp_path / "run" / "network.json").read_text())["normalisation"]

    assert written["targets"]["mean"] == pytest.approx([50], abs=1) and len(written["inputs"]["std"]) == 2


def test_pixels_are_images_in_any_usual_order(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (30, 8, 9, 3), dtype=np.uint8)
    last = load(npz(tmp_path / "a.npz", inputs=pixels, targets=classes(30)))
    first = load(npz(tmp_path / "b.npz", inputs=pixels.transpose(0, 3, 1, 2), targets=classes(30)))

    assert last.input_shape == (3, 8, 9) and len(last.mean) == 3
    assert last.train.inputs.dtype == torch.uint8 and torch.equal(last.train.inputs, first.train.inputs)


def test_what_is_learned_follows_from_the_targets_or_is_said(tmp_path: Path) -> None:
    integers = npz(tmp_path / "a.npz", inputs=numbers(40, 4), targets=np.arange(40) % 4 * 10)
    counted, measured = load(integers), load(integers, predict="numbers")

    assert isinstance(counted.task, Classification) and counted.outputs == 4
    assert isinstance(measured.task, Regression) and measured.train.targets.shape[1:] == (1,)
    assert isinstance(tokens(tmp_path).load(0).task, Language) and tokens(tmp_path).load(0).outputs == 20


def test_a_second_file_is_the_test(tmp_path: Path) -> None:
    whole = load(table(tmp_path / "a.csv"), target="kind", test=str(table(tmp_path / "b.csv")), validation=0)

    assert whole.samples == {"training": 60, "validation": 0, "test": 60} and whole.input_shape == (3,)


def nan_in(array: Any) -> Any:
    array = array.copy()
    array.flat[7] = np.nan
    return array


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"inputs": nan_in(numbers(20, 3)), "targets": classes(20)}, "1 of the inputs are no.* first in sample 2"),
        ({"inputs": numbers(20, 3), "targets": nan_in(numbers(20))}, "1 of the targets are no finite"),
        ({"inputs": numbers(20, 3), "targets": classes(19)}, "20 inputs and 19 targets"),
        ({"inputs": numbers(20, 3)}, "has inputs: needed are inputs and targets"),
        ({"inputs": numbers(20, 3), "targets": np.array([None] * 20)}, "holds arrays of objects"),
        ({"inputs": np.array(["a"] * 20), "targets": classes(20)}, "needed are inputs"),
        ({"inputs": np.array([["a"]] * 20), "targets": classes(20)}, "inputs are of type <U1"),
        ({"inputs": numbers(20, 3), "targets": np.arange(20)}, "16 classes in 14 training samples|classes .* have no"),
        ({"inputs": numbers(20, 3), "targets": numbers(20, 2, 2)}, r"are not numbers \[samples\]"),
        ({"inputs": numbers(2, 3), "targets": classes(2)}, "would take 0 of 1 training samples"),
        (
            {"train_inputs": numbers(20, 3), "train_targets": classes(20) * 1.0,
             "test_inputs": numbers(20, 4), "test_targets": classes(20) * 1.0},
            "different shapes by split",
        ),
        (
            {"train_inputs": numbers(20, 3), "train_targets": classes(20),
             "test_inputs": numbers(20, 3), "test_targets": classes(20) + 1},
            r"classes \[3\] have no training sample: .*, or predict: numbers",
        ),
    ],
)  # fmt: skip
def test_arrays_that_do_not_fit_are_refused(arrays: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        load(npz(tmp_path / "a.npz", **arrays))


class Sly:
    def __reduce__(self) -> Any:
        return (exec, ("raise SystemExit('code has run')",))


def test_files_run_no_code(tmp_path: Path) -> None:
    torch.save({"inputs": torch.zeros(3, 2), "targets": Sly()}, tmp_path / "a.pt")
    (tmp_path / "b.npz").write_bytes(b"PK, no archive")
    (tmp_path / "c.npy").write_bytes(b"")

    for name, message in (("a.pt", "tensors and plain data"), ("b.npz", "no .npz file"), ("c.npy", "none of .npz")):
        with pytest.raises(DataError, match=message):
            load(tmp_path / name)
    with pytest.raises(DataError, match="there is no file"):
        load(tmp_path / "d.csv", target="a")


def test_a_parameter_that_there_is_not_is_named() -> None:
    with pytest.raises(InputError, match="did you mean 'target'"):
        load(Path("a.csv"), targt="a")
