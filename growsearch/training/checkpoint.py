"""A training run's state on disk: everything that a bit-for-bit continuation needs."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch
from torch import nn

from growsearch.errors import GrowsearchError
from growsearch.runs.files import write_atomically

VERSION = 3


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Replace the checkpoint atomically; `state` holds tensors and plain Python data."""
    write_atomically(path, lambda file: torch.save({"version": VERSION, **state}, file))


def load_checkpoint(path: Path, device: torch.device) -> dict[str, Any] | None:
    """What `save_checkpoint` wrote, tensors on `device`; None where there is no checkpoint.

    Only tensors and plain data are read, never code. Raises `GrowsearchError` for a damaged file or another version.
    """
    if not path.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise GrowsearchError(f"{path} is damaged ({error}): delete {path.parent} to run it again") from error
    if state.get("version") != VERSION:
        found = state.get("version")
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
