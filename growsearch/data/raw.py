"""Inputs and targets as they were found, and what is wrong with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from growsearch.errors import DataError

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Raw:
    """Arrays with one row a sample; `columns` are the names of the inputs' columns, where they have some.

    Where there may be `gaps`, inputs that are nan are missing.
    """

    inputs: Array
    targets: Array
    columns: tuple[str, ...] = ()
    gaps: bool = False

    def __len__(self) -> int:
        return len(self.inputs)

    def taken(self, rows: Array) -> Raw:
        """Some of the samples."""
        return Raw(self.inputs[rows], self.targets[rows], self.columns, self.gaps)

    def check(self, where: str) -> None:
        """Raise `DataError` unless there are samples, each with numbers for its inputs, and with a target."""
        inputs, targets = self.inputs, self.targets
        if inputs.ndim < 2 or targets.ndim < 1:
            raise DataError(
                f"{where}: inputs of shape {list(inputs.shape)} and targets of shape {list(targets.shape)}: needed are "
                "inputs [samples, ...] and targets [samples] or [samples, ...]"
            )
        if len(inputs) != len(targets) or not len(inputs):
            raise DataError(f"{where}: {len(inputs)} inputs and {len(targets)} targets: give as many, one or more")
        if inputs.dtype.kind not in "biuf":
            raise DataError(f"{where}: the inputs are of type {inputs.dtype}: give integers or real numbers")
        if targets.dtype.kind not in "biufU":
            raise DataError(
                f"{where}: the targets are of type {targets.dtype}: give classes (integers or text) or numbers"
            )
        for name, array in (("inputs", inputs), ("targets", targets)):
            bad = ~np.isfinite(array) if array.dtype.kind == "f" else np.zeros(0, dtype=bool)
            if name == "inputs" and self.gaps:
                bad &= ~np.isnan(array)
            if bad.any():
                self._refuse(where, name, bad)

    def _refuse(self, where: str, name: str, bad: Array) -> None:
        row, *rest = (int(index) for index in np.argwhere(bad)[0])
        column = f", column {self.columns[rest[0]]!r}" if name == "inputs" and self.columns else ""
        raise DataError(
            f"{where}: {int(bad.sum()):,} of the {name} are no finite numbers (nan or infinite), the first in sample "
            f"{row}{column}: leave these samples out, or put numbers there"
        )
