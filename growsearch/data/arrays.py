"""A user's own arrays and tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from growsearch.data.array_files import SUFFIXES, read_arrays, read_table
from growsearch.data.assembling import Predict, assemble
from growsearch.data.dataset import DataSet, DataSource, Validation
from growsearch.data.raw import Raw
from growsearch.errors import DataError

Share = Annotated[float, Field(gt=0, lt=1)]


class Arrays(DataSource):
    """One file of arrays: .npz, .pt with tensors, or .csv with a `target` column; `test` may name a second one.

    See `read_arrays` for the names in it. Without samples for the test a share of them is held out, and `validation`
    (a number, or as a fraction a share) of the rest: the same ones in every run. `predict` says what is learned where
    the types of the targets do not: `classes` (integers, text), `numbers` (real) or `tokens`.
    """

    summary: ClassVar[str] = "arrays in an .npz or .pt file, or a .csv table with a target column"
    source: ClassVar[str] = "your own"

    file: Path
    test: Share | Path = 0.2
    validation: Validation = 0.1
    target: tuple[str, ...] | str = ()
    ignore: tuple[str, ...] = ()
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    predict: Predict | None = None
    standardise: bool = True

    def load(self, seed: int) -> DataSet:
        """See `DataSource.load`; raises `DataError` for missing and damaged files, and arrays that do not fit."""
        found = self._read(self.file)
        share = self.test
        if isinstance(share, Path):
            others = self._read(share)
            found["test"], share = others.get("test", others["train"]), 0.2
        name = self.file.stem
        return assemble(name, found, self.predict, share, self.validation, self.standardise)

    def _read(self, path: Path) -> dict[str, Raw]:
        path = path.expanduser()
        if not path.is_file():
            raise DataError(f"data 'arrays': there is no file {path.absolute()}")
        if path.suffix not in SUFFIXES:
            raise DataError(
                f"data 'arrays': {path.name} is none of {', '.join(SUFFIXES)}: save the arrays as one of these"
            )
        if path.suffix != ".csv":
            return read_arrays(path)
        target = (self.target,) if isinstance(self.target, str) else self.target
        if not target:
            raise DataError(f"data 'arrays': {path.name} is a table: name the column that is learned in data.target")
        return {"train": read_table(path, target, self.ignore, self.delimiter)}
