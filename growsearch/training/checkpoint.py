"""A training run's state on disk: everything that a bit-for-bit continuation needs."""

from __future__ import annotations

import os
import shutil
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import nn

from growsearch.errors import DamageWarning, GrowsearchError
from growsearch.runs.reading import DamagedFile
from growsearch.training.tensor_file import read_tensors, write_tensors

VERSION = 3


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Replace the checkpoint atomically, and keep the one before; `state` holds tensors and plain Python data.

    The one before is dropped with the next but one: until then it takes the place of a checkpoint that turns out to be
    damaged.
    """
    following, kept = path.with_name(path.name + ".next"), path.with_name(path.name + ".kept")
    write_tensors(following, {"version": VERSION, **state})
    if path.exists():  # as it does at every moment from now on: others may copy it meanwhile
        kept.unlink(missing_ok=True)
        try:
            os.link(path, kept)
        except OSError:  # a file system without links
            shutil.copyfile(path, kept)
        os.replace(kept, previous_of(path))
    os.replace(following, path)


def previous_of(path: Path) -> Path:
    """Where the checkpoint before the one at `path` is kept."""
    return path.with_name(path.name + ".previous")


def remove_checkpoint(path: Path) -> None:
    """Remove a checkpoint, and the one before."""
    for each in (path, previous_of(path)):
        each.unlink(missing_ok=True)


def load_checkpoint(path: Path, device: torch.device) -> dict[str, Any] | None:
    """What `save_checkpoint` wrote, tensors on `device`; None where there is no checkpoint.

    Where it is damaged or gone, the one before is loaded, and a `DamageWarning` tells so. Only tensors and plain data
    are read, never code. Raises `DamagedFile` where neither is whole, and `GrowsearchError` for another version.
    """
    previous = previous_of(path)
    if not path.exists() and not previous.exists():
        return None
    try:
        return _loaded(path, device)
    except (DamagedFile, FileNotFoundError) as error:
        if not previous.exists():
            raise
        state = _loaded(previous, device)
        reason = f"{path} is missing" if isinstance(error, FileNotFoundError) else error
        warnings.warn(f"{reason}; going on from {previous.name}, the checkpoint before", DamageWarning, stacklevel=2)
        return state


def _loaded(path: Path, device: torch.device) -> dict[str, Any]:
    state = read_tensors(path, device)
    if not isinstance(state, dict) or "version" not in state:
        raise DamagedFile(f"{path}: is damaged: no checkpoint of a run")
    if state["version"] != VERSION:
        found = state["version"]
        raise GrowsearchError(f"{path} has version {found}, not {VERSION}: delete {path.parent} to run it again")
    return state


def rng_state(device: torch.device) -> dict[str, Any]:
    """State of torch's global generators that training may draw from (dropout)."""
    return {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None}


def restore_rng(state: dict[str, Any], device: torch.device) -> None:
    """Undo everything that was drawn since `rng_state`."""
    torch.set_rng_state(state["cpu"].cpu())
    if state["cuda"] is not None and device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"].cpu(), device)


def adopt_layout(model: nn.Module, saved: dict[str, torch.Tensor]) -> None:
    """Give parameters and buffers the very memory layout of the saved ones.

    The order in which a kernel adds up depends on the layout: equal values in another layout train to other bits.
    """
    for name, tensor in model.state_dict(keep_vars=True).items():
        if tensor.stride() != saved[name].stride():
            tensor.data = saved[name].to(tensor.device)
