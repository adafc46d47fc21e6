"""A data set of Hugging Face `datasets` that was saved to disk."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from growsearch.data.assembling import Predict, assemble
from growsearch.data.dataset import DataSet, DataSource, Validation
from growsearch.data.raw import Raw
from growsearch.data.samples import stacked
from growsearch.errors import DataError
from growsearch.registry import nearest


class HuggingFace(DataSource):
    """The folder that `save_to_disk` wrote: columns `inputs` (one, or several numbers) and a column `target`.

    Images are decoded, and have to be of one size. Of a `DatasetDict` the parts `train`, `validation` and `test` are
    taken; where there is no `test`, a share of the samples is held out, and `validation` (a number, or as a fraction a
    share) of the rest. Needs `datasets`.
    """

    summary: ClassVar[str] = "a folder that Hugging Face datasets saved to disk"
    source: ClassVar[str] = "Lhoest et al., Datasets: A Community Library for Natural Language Processing, 2021"

    path: Path
    inputs: tuple[str, ...] | str
    target: str
    test: Annotated[float, Field(gt=0, lt=1)] = 0.2
    validation: Validation = 0.1
    predict: Predict | None = None
    standardise: bool = True

    def load(self, seed: int) -> DataSet:
        """See `DataSource.load`; raises `DataError` where the folder, the library or a column is missing."""
        parts = self._parts()
        found = {split: self._raw(part, split) for split, part in parts.items()}
        return assemble(self.path.name, found, self.predict, self.test, self.validation, self.standardise)

    def _parts(self) -> dict[str, Any]:
        if find_spec("datasets") is None:
            raise DataError("data 'hugging_face' needs datasets: pip install \"growsearch[datasets]\"")
        folder = self.path.expanduser()
        if not folder.is_dir():
            raise DataError(f"data 'hugging_face': there is no folder {folder.absolute()}")
        datasets: Any = import_module("datasets")
        try:
            saved = datasets.load_from_disk(str(folder))
        except Exception as error:  # whatever the library does with files that it did not write
            raise DataError(f"data 'hugging_face': {folder} was not written by save_to_disk: {error}") from error
        if not isinstance(saved, datasets.DatasetDict):
            return {"train": saved}
        parts = {split: saved[split] for split in ("train", "validation", "test") if split in saved}
        if "train" not in parts:
            raise DataError(f"data 'hugging_face': {folder} has {', '.join(saved)}: needed is a part named train")
        return parts

    def _raw(self, part: Any, split: str) -> Raw:
        names = (self.inputs,) if isinstance(self.inputs, str) else self.inputs
        for name in (*names, self.target):
            if name not in part.column_names:
                known = f"{', '.join(part.column_names)}{nearest(name, part.column_names)}"
                raise DataError(f"data 'hugging_face', {split}: there is no column {name!r}: there are {known}")
        columns = [stacked(list(part[name]), f"data 'hugging_face', {split}: column {name!r}") for name in names]
        if len(columns) == 1:
            inputs = columns[0][:, None] if columns[0].ndim == 1 else columns[0]
        elif any(column.ndim != 1 or column.dtype.kind not in "biuf" for column in columns):
            raise DataError(
                f"data 'hugging_face', {split}: several inputs, {', '.join(names)}, have to be numbers each"
            )
        else:
            inputs = np.stack(columns, axis=1)
        targets = stacked(list(part[self.target]), f"data 'hugging_face', {split}: column {self.target!r}")
        return Raw(inputs, targets, names if len(columns) > 1 else ())
