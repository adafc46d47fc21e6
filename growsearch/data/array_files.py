"""Arrays from a user's files: nothing in them is run as code."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from growsearch.data.assembling import SPLITS
from growsearch.data.raw import Array, Raw
from growsearch.errors import DataError

SUFFIXES = (".npz", ".pt", ".csv")
_KERAS = {"x_train": "train_inputs", "y_train": "train_targets", "x_test": "test_inputs", "y_test": "test_targets"}
_NEEDED = "needed are inputs and targets, or train_inputs, train_targets, test_inputs and test_targets"


def read_arrays(path: Path) -> dict[str, Raw]:
    """Return the samples in an .npz or .pt file, by split; `train` alone where there is one pair.

    An .npz file has arrays, a .pt file a dictionary of tensors, named `inputs` and `targets`, or with `train_`,
    `validation_` and `test_` before these, or as Keras names them; a .pt file may hold a pair of tensors too. Raises
    `DataError` where it cannot be read without running code, or lacks an array.
    """
    named = _npz(path) if path.suffix == ".npz" else _tensors(path)
    named = {_KERAS.get(name, name): array for name, array in named.items()}
    if {"inputs", "targets"} <= named.keys():
        return {"train": Raw(named["inputs"], named["targets"])}
    found = {}
    for split in SPLITS:
        pair = [f"{split}_inputs", f"{split}_targets"]
        if set(pair) <= named.keys():
            found[split] = Raw(named[pair[0]], named[pair[1]])
    if "train" not in found:
        raise DataError(f"{path} has {', '.join(named) or 'nothing'}: {_NEEDED}")
    return found


def _npz(path: Path) -> dict[str, Array]:
    if not zipfile.is_zipfile(path):
        raise DataError(f"{path} is no .npz file: write it with numpy.savez(path, inputs=..., targets=...)")
    try:
        with np.load(path, allow_pickle=False) as content:
            return {name: content[name] for name in content.files}
    except ValueError as error:
        raise DataError(
            f"{path} holds arrays of objects, which could run code when they are read ({error}): save arrays of numbers"
        ) from error
    except (OSError, EOFError, zipfile.BadZipFile, AttributeError) as error:
        raise DataError(f"{path} is damaged, or no .npz file of numpy.savez: {error}") from error


def _tensors(path: Path) -> dict[str, Array]:
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, ValueError, KeyError, pickle.UnpicklingError) as error:
        first = str(error).splitlines()[0]
        raise DataError(
            f"{path} cannot be read as tensors and plain data ({first}): save a pair or a dictionary of tensors"
        ) from error
    if isinstance(content, tuple | list) and len(content) == 2:
        content = {"inputs": content[0], "targets": content[1]}
    if not isinstance(content, Mapping) or not all(isinstance(each, Tensor) for each in content.values()):
        raise DataError(f"{path} holds a {type(content).__name__}: save a pair or a dictionary of tensors")
    return {str(name): _as_array(path, tensor) for name, tensor in content.items()}


def _as_array(path: Path, tensor: Tensor) -> Array:
    if tensor.is_sparse or tensor.is_complex() or tensor.is_quantized:
        raise DataError(f"{path} holds a sparse, complex or quantised tensor: save dense real ones")
    plain = tensor.detach().float() if tensor.dtype in (torch.bfloat16, torch.float16) else tensor.detach()
    found: Array = plain.numpy()
    return found
