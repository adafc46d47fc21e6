"""Arrays from a user's files: nothing in them is run as code."""

from __future__ import annotations

import csv
import pickle
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from growsearch.data.assembling import SPLITS
from growsearch.data.raw import Array, Raw
from growsearch.errors import DataError
from growsearch.registry import nearest

Line = tuple[int, list[str]]
SUFFIXES = (".npz", ".pt", ".csv")
_KERAS = {"x_train": "train_inputs", "y_train": "train_targets", "x_test": "test_inputs", "y_test": "test_targets"}
_MOST_CLASSES = 20  # of a column of whole numbers, or a tenth of the samples
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


def read_table(path: Path, target: Collection[str], ignore: Collection[str], delimiter: str) -> Raw:
    """Return the rows of a .csv file, whose first line has the columns' names; all inputs are numbers.

    Args:
        path: of the file.
        target: columns that are learned.
        ignore: columns that are left out.
        delimiter: between values.

    Raises:
        DataError: a column is missing or is named twice, a row has another number of values, or one is no number.
    """
    columns, numbers = _columns(path, (*target, *ignore), delimiter)
    inputs = {name: values for name, values in columns.items() if name not in (*target, *ignore)}
    if not inputs:
        raise DataError(f"{path} has no column beside {', '.join((*target, *ignore))}: nothing to learn from")
    made = [_numeric(path, name, values, numbers) for name, values in inputs.items()]
    wanted = [_target(path, name, columns[name], numbers, alone=len(target) == 1) for name in target]
    return Raw(np.stack(made, axis=1), wanted[0] if len(wanted) == 1 else np.stack(wanted, axis=1), tuple(inputs))


def table_settings(path: Path, target: str) -> dict[str, Any]:
    """Return what a first `data` section says of a .csv file: columns of text to `ignore`, and what to `predict`.

    Whole numbers are classes unless told otherwise; where they have very many values, they are rather numbers. Raises
    `DataError` as `read_table` does.
    """
    columns, _ = _columns(path, (target,), ",")
    text = list(_lacking(columns, target))
    found: dict[str, Any] = {"ignore": text} if text else {}
    values = columns[target]
    if all(map(_is_whole, values)) and len(set(values)) > max(_MOST_CLASSES, len(values) // 10):
        found["predict"] = "numbers"
    return found


def without_numbers(path: Path, target: str) -> dict[str, tuple[int, int]]:
    """Return the columns of a .csv file beside `target` that have values that are missing or no numbers.

    By name, with how many these are and how many samples there are. Raises `DataError` as `read_table` does.
    """
    columns, lines = _columns(path, (target,), ",")
    return {name: (count, len(lines)) for name, count in _lacking(columns, target).items()}


def _lacking(columns: dict[str, list[str]], target: str) -> dict[str, int]:
    counts = {name: sum(not _is_number(value) for value in values) for name, values in columns.items()}
    return {name: count for name, count in counts.items() if count and name != target}


def _columns(path: Path, needed: Collection[str], delimiter: str) -> tuple[dict[str, list[str]], list[Line]]:
    """The values of all columns by name, and the lines that they come from, each with its number."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = [
                (reader.line_num, row) for reader in [csv.reader(file, delimiter=delimiter)] for row in reader if row
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as a table: {error}") from error
    if len(lines) < 2:
        found = "one line" if lines else "no line"
        raise DataError(f"{path} has {found}: the first names the columns, every other one is a sample")
    header = [name.strip() for name in lines[0][1]]
    if len(set(header)) < len(header):
        twice = sorted({name for name in header if header.count(name) > 1})
        raise DataError(f"{path}: columns {twice} are named twice: give each a name of its own in the first line")
    for name in needed:
        if name not in header:
            raise DataError(f"{path} has no column {name!r}: it has {', '.join(header)}{nearest(name, header)}")
    for number, row in lines[1:]:
        if len(row) != len(header):
            raise DataError(f"{path}, line {number}: {len(row)} values for {len(header)} columns")
    return {name: [row[i].strip() for _, row in lines[1:]] for i, name in enumerate(header)}, lines[1:]


def _numeric(path: Path, name: str, values: list[str], lines: list[Line]) -> Array:
    try:
        return np.array([float(value) for value in values])
    except ValueError:
        found, line = next((v, n) for v, (n, _) in zip(values, lines, strict=True) if not _is_number(v))
        missing = "is empty" if not found else f"has {found!r}, which is no number"
        raise DataError(
            f"{path}, line {line}: column {name!r} {missing}: put a number there, write text as numbers, or name the "
            "column in data.ignore"
        ) from None


def _target(path: Path, name: str, values: list[str], lines: list[Line], alone: bool) -> Array:
    """Integers or text (classes), or real numbers; several columns are numbers."""
    if not alone:
        return _numeric(path, name, values, lines)
    if "" in values:
        line = lines[values.index("")][0]
        raise DataError(f"{path}, line {line}: column {name!r} is empty: every sample needs a target")
    if all(map(_is_whole, values)):
        return np.array([int(value) for value in values])
    return _numeric(path, name, values, lines) if all(map(_is_number, values)) else np.array(values)


def _is_whole(value: str) -> bool:
    return value.lstrip("+-").isdigit()


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


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
