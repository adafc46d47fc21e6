from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from growsearch.errors import GrowsearchError
from growsearch.training import checkpoint
from growsearch.training.checkpoint import adopt_layout, load_checkpoint, restore_rng, rng_state, save_checkpoint

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


def test_a_damaged_checkpoint_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    save_checkpoint(path, {"weights": torch.zeros(1000)})
    path.write_bytes(path.read_bytes()[:500])

    with pytest.raises(GrowsearchError, match="is damaged.*delete"):
        load_checkpoint(path, CPU)


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
