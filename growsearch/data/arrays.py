"""A user's own arrays and tables."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from growsearch.data.array_files import SUFFIXES, read_arrays
from growsearch.data.assembling import Predict, assemble
from growsearch.data.dataset import DataSet, DataSource, HeldOut, Validation
from growsearch.data.raw import Raw
from growsearch.data.table_file import Missing, Reading, Values, read_table
from growsearch.errors import DataError


class Arrays(DataSource):
    """One file of arrays: .npz, .pt with tensors, or .csv with a `target` column; `test` may name a second one.

    See `read_arrays` for the names in it, `Reading` for the columns of a table. Without samples for the test a share of
    them is held out, and `validation` (a number, or as a fraction a share) of the rest: the same ones in every run.
    `predict` says what is learned where the types of the targets do not: `classes` (integers, text), `numbers` (real)
    or `tokens`.
    """

    summary: ClassVar[str] = "arrays in an .npz or .pt file, or a .csv table with a target column"
    source: ClassVar[str] = "your own"

    file: Path
    test: HeldOut | Path = 0.2
    validation: Validation = 0.1
    target: tuple[str, ...] | str = ()
    categories: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    missing: Missing = "refuse"
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    predict: Predict | None = None
    standardise: bool = True

    def load(self, seed: int) -> DataSet:
        """See `DataSource.load`; raises `DataError` for missing and damaged files, and arrays that do not fit."""
        found, values = self._read(self.file)
        share = self.test
        if isinstance(share, Path):
            others, _ = self._read(share, values)
            found["test"], share = others.get("test", others["train"]), 0.2
        name = self.file.stem
        return assemble(name, found, self.predict, share, self.validation, self.standardise)

    def _read(self, path: Path, known: Values | None = None) -> tuple[dict[str, Raw], Values]:
        """The samples by split, and the values of the categories, which for a second file are `known`."""
        path = path.expanduser()
        if not path.is_file():
            raise DataError(f"data 'arrays': there is no file {path.absolute()}")
        if path.suffix not in SUFFIXES:
            raise DataError(
                f"data 'arrays': {path.name} is none of {', '.join(SUFFIXES)}: save the arrays as one of these"
            )
        if path.suffix != ".csv":
            return read_arrays(path), {}
        target = (self.target,) if isinstance(self.target, str) else self.target
        if not target:
            raise DataError(f"data 'arrays': {path.name} is a table: name the column that is learned in data.target")
        named = [*target, *self.categories, *self.ignore]
        if twice := sorted({name for name in named if named.count(name) > 1}):
            raise DataError(f"data 'arrays': {', '.join(twice)}: a column is one of target, categories and ignore")
        reading = Reading(target, self.categories, self.ignore, self.delimiter, self.missing)
        raw, values = read_table(path, reading, known)
        return {"train": raw}, values
