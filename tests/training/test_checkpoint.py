from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from growsearch.errors import DamageWarning, GrowsearchError
from growsearch.runs.reading import DamagedFile
from growsearch.testing.training import same
from growsearch.training import checkpoint
from growsearch.training.checkpoint import (
    adopt_layout,
    load_checkpoint,
    previous_of,
    remove_checkpoint,
    restore_rng,
    rng_state,
    save_checkpoint,
)

CPU = torch.device("cpu")


def test_a_checkpoint_is_read_back(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "c.pt", {"step": 3, "weights": torch.arange(4.0)})

    saved = load_checkpoint(tmp_path / "c.pt", CPU)

    assert saved is not None
    assert saved["step"] == 3
    assert saved["weights"].equal(torch.arange(4.0))


def test_no_checkpoint_is_none(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path / "c.pt", CPU) is None


@pytest.mark.parametrize("moment", ["while writing", "before replacing"])
def test_a_crash_while_saving_leaves_the_old_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    path = tmp_path / "c.pt"
    save_checkpoint(path, {"step": 1})

    def crash(*arguments: object) -> None:
        if moment == "while writing":
            arguments[1].write(b"half")  # type: ignore[attr-defined]
        raise OSError("disk full")

    if moment == "while writing":
        monkeypatch.setattr(checkpoint.torch, "save", crash)
    else:
        monkeypatch.setattr("os.replace", crash)
    with pytest.raises(OSError, match="disk full"):
        save_checkpoint(path, {"step": 2})
    monkeypatch.undo()

    saved = load_checkpoint(path, CPU)
    assert saved is not None
    assert saved["step"] == 1


def test_a_checkpoint_that_is_cut_off_or_foreign_is_named(tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    save_checkpoint(path, {"weights": torch.zeros(1000)})
    whole = path.read_bytes()
    for content in (whole[:500], b"", b"text"):
        path.write_bytes(content)
        with pytest.raises(DamagedFile, match="c.pt: is damaged"):
            load_checkpoint(path, CPU)
    torch.save([1, 2], path)
    with pytest.raises(DamagedFile, match="c.pt: is damaged: no checkpoint of a run"):
        load_checkpoint(path, CPU)


def test_a_flipped_bit_is_noticed_wherever_it_is(tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    state = {"weights": torch.arange(40.0), "step": 3}
    save_checkpoint(path, state)
    whole = path.read_bytes()
    noticed = 0
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        try:
            assert same(load_checkpoint(path, CPU), {"version": checkpoint.VERSION, **state})
        except DamagedFile:
            noticed += 1
    assert noticed > 0.98 * len(whole) / 7  # but for the mark in front of the checksum


def test_a_checkpoint_of_an_older_version_is_checked_by_the_sums_of_its_parts(tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    torch.save({"version": checkpoint.VERSION, "weights": torch.zeros(1000)}, path)
    assert load_checkpoint(path, CPU) is not None
    whole = path.read_bytes()
    path.write_bytes(whole[:2000] + bytes([whole[2000] ^ 4]) + whole[2001:])

    with pytest.raises(DamagedFile, match="c.pt: is damaged: the checksum of '.*/data/0' does not hold"):
        load_checkpoint(path, CPU)


@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(path.read_bytes()[:99]), Path.unlink])
def test_the_checkpoint_before_takes_the_place_of_a_damaged_one(
    tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    path = tmp_path / "c.pt"
    for step in (1, 2, 3):
        save_checkpoint(path, {"step": step})
    damage(path)

    with pytest.warns(DamageWarning, match=r"c.pt.* is (damaged|missing).*going on from c.pt.previous"):
        saved = load_checkpoint(path, CPU)

    assert saved is not None and saved["step"] == 2
    remove_checkpoint(path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_without_links_keeps_the_checkpoint_before_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> None:
        raise OSError("not permitted")

    monkeypatch.setattr("os.link", no_links)
    for step in (1, 2):
        save_checkpoint(tmp_path / "c.pt", {"step": step})

    saved = load_checkpoint(previous_of(tmp_path / "c.pt"), CPU)
    assert saved is not None and saved["step"] == 1


def test_a_checkpoint_of_another_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_checkpoint(tmp_path / "c.pt", {})
    written = checkpoint.VERSION
    monkeypatch.setattr(checkpoint, "VERSION", written + 1)

    with pytest.raises(GrowsearchError, match=f"version {written}, not {written + 1}"):
        load_checkpoint(tmp_path / "c.pt", CPU)


def test_random_numbers_go_on_where_they_were() -> None:
    state = rng_state(CPU)
    first = torch.rand(3)

    restore_rng(state, CPU)

    assert torch.rand(3).equal(first)


def test_parameters_take_the_saved_layout_and_stay_the_same_objects() -> None:
    model = nn.Conv2d(2, 3, 3)
    saved = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    saved["weight"] = saved["weight"].contiguous(memory_format=torch.channels_last)
    weight = model.weight

    adopt_layout(model, saved)

    assert model.weight is weight
    assert weight.stride() == saved["weight"].stride()
    assert weight.equal(saved["weight"])
