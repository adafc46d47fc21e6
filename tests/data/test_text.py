from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from growsearch.data import Batches, DataSet, evaluation_batches, load_data
from growsearch.data.text import Text, python_help
from growsearch.errors import DataError
from growsearch.tasks import Language
from growsearch.training.evaluation import evaluation_samples


@pytest.fixture
def alphabet(tmp_path: Path) -> Path:
    """A file in which every character tells its place."""
    path = tmp_path / "alphabet.txt"
    path.write_text("".join(chr(0x4E00 + place) for place in range(200)), encoding="utf-8")
    return path


def characters(path: Path, context: int = 8) -> DataSet:
    return Text(files=(path,), vocabulary="characters", context=context).load(0)


def test_the_parts_follow_each_other_in_the_text_and_targets_are_the_next_tokens(alphabet: Path) -> None:
    data = characters(alphabet)
    assert data.validation is not None
    assert (data.outputs, data.input_shape, data.input_dtype) == (200, (8,), torch.int64)
    assert data.task == Language(unit="character")
    for split, first, count in ((data.train, 0, 19), (data.validation, 160, 2), (data.test, 180, 2)):
        assert torch.equal(split.inputs, first + torch.arange(8 * count).view(count, 8))
        assert torch.equal(split.targets, split.inputs + 1)


def test_every_epoch_has_other_windows_of_the_training_part_in_another_order(alphabet: Path) -> None:
    data = characters(alphabet)
    batches = Batches(data.train, 4, data, seed=1)
    epochs = [torch.cat([inputs for inputs, _ in batches]) for _ in range(4)]
    for windows in epochs:
        assert windows.shape == (19, 8)
        assert len(windows.unique()) == 19 * 8 and windows.max() < 159
        assert torch.equal(windows - windows[:, :1], torch.arange(8).expand(19, 8))
    assert len({int(windows.min()) for windows in epochs}) > 1
    assert not torch.equal(epochs[0][:, 0].argsort(), epochs[1][:, 0].argsort())


def test_windows_follow_the_seed_and_a_restored_epoch_goes_on(alphabet: Path) -> None:
    data = characters(alphabet)
    batches = Batches(data.train, 4, data, seed=2)
    whole = [inputs for _ in range(2) for inputs, _ in batches]

    interrupted = Batches(data.train, 4, data, seed=2)
    epoch = iter(interrupted)
    found = [next(epoch)[0], next(epoch)[0]]
    continued = Batches(data.train, 4, data, seed=5)
    continued.load_state_dict(interrupted.state_dict())
    found += [inputs for _ in range(2) for inputs, _ in continued]

    assert len(found) == len(whole) and all(torch.equal(one, two) for one, two in zip(found, whole, strict=True))


def test_windows_on_another_device_are_the_same(alphabet: Path) -> None:
    train = characters(alphabet).train
    moved = train.to("cpu")
    one, two = (split.epoch(torch.Generator().manual_seed(3)) for split in (train, moved))
    assert torch.equal(one[0].inputs, two[0].inputs) and torch.equal(one[1], two[1])


def test_evaluation_reads_the_windows_in_their_order(alphabet: Path) -> None:
    data = characters(alphabet)
    read = torch.cat([inputs for inputs, _ in evaluation_batches(data.test, data, "cpu", 1)])
    assert torch.equal(read, data.test.inputs) and read.dtype == torch.int64


def test_bytes_are_those_of_the_files_one_after_the_other(tmp_path: Path) -> None:
    parts = []
    for name, text in (("a.txt", "é" * 60), ("b.txt", "xyz" * 40)):
        (tmp_path / name).write_text(text, encoding="utf-8")
        parts.append(tmp_path / name)
    data = Text(files=tuple(parts), context=4).load(0)
    content = ("é" * 60 + "xyz" * 40).encode()
    assert (data.outputs, data.sha256) == (256, hashlib.sha256(content).hexdigest())
    assert bytes(data.train.inputs.flatten().tolist()) == content[: data.train.inputs.numel()]


def test_without_files_the_text_is_pythons_own_help() -> None:
    data = load_data({"name": "text", "context": 32}, 0)
    assert data.sha256 == hashlib.sha256(python_help().encode()).hexdigest()
    assert len(data.train) > 5_000 and len(python_help()) > 200_000


@pytest.mark.parametrize(
    ("content", "context", "message"),
    [
        (None, 4, "missing.txt cannot be read"),
        (b"\xff\xfe\xfa", 4, "is no UTF-8 text"),
        (b"short", 4, "5 tokens give .* give more text, a smaller data.context"),
    ],
)
def test_text_that_cannot_be_used_is_named(tmp_path: Path, content: bytes | None, context: int, message: str) -> None:
    path = tmp_path / "missing.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        Text(files=(path,), context=context).load(0)


def test_an_evaluation_takes_as_many_windows_at_once_as_their_outputs_allow(alphabet: Path) -> None:
    data = characters(alphabet)
    assert evaluation_samples(data) == 1000
    assert evaluation_samples(replace(data, outputs=2**15, input_shape=(64,))) == 8
    assert evaluation_samples(replace(data, outputs=2**20, input_shape=(64,))) == 1
