"""A data set of Hugging Face `datasets` that was saved to disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from growsearch.data.assembling import Predict, assemble
from growsearch.data.dataset import DataSet, DataSource, Validation
from growsearch.data.language import byte_tokens, divided, language
from growsearch.data.raw import Raw
from growsearch.data.samples import stacked
from growsearch.errors import DataError
from growsearch.installing import command_for_extra
from growsearch.registry import nearest


class HuggingFace(DataSource):
    """The folder that `save_to_disk` wrote: columns `inputs` (one, or several numbers) and a column `target`.

    Without a `target`, `inputs` is a column of text, whose rows are read one behind the other, and the next of their
    bytes is what is learned, `context` of them at once. Images are decoded, and have to be of one size. Of a
    `DatasetDict` the parts `train`, `validation` and `test` are taken; where there is no `test`, a share of the samples
    is held out, and `validation` (a number, or as a fraction a share) of the rest. Needs `datasets`.
    """

    summary: ClassVar[str] = "a folder that Hugging Face datasets saved to disk"
    source: ClassVar[str] = "Lhoest et al., Datasets: A Community Library for Natural Language Processing, 2021"

    path: Path
    inputs: tuple[str, ...] | str
    target: str | None = None
    context: int = Field(default=64, ge=1)
    test: Annotated[float, Field(gt=0, lt=1)] = 0.2
    validation: Validation = 0.1
    predict: Predict | None = None
    standardise: bool = True

    def load(self, seed: int) -> DataSet:
        """See `DataSource.load`; raises `DataError` where the folder, the library or a column is missing."""
        parts = self._parts()
        if self.target is None:
            return self._language(parts)
        found = {split: self._raw(part, split, self.target) for split, part in parts.items()}
        return assemble(self.path.name, found, self.predict, self.test, self.validation, self.standardise)

    def _parts(self) -> dict[str, Any]:
        if find_spec("datasets") is None:
            raise DataError(f"data 'hugging_face' needs datasets: {command_for_extra('datasets')}")
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

    def _language(self, parts: Mapping[str, Any]) -> DataSet:
        content = {split: self._text(part, split).encode() for split, part in parts.items()}
        tokens = {split: byte_tokens(each) for split, each in content.items()}
        held_out = 0 if "validation" in tokens else self.validation
        share = held_out if isinstance(held_out, float) else held_out / max(1, len(tokens["train"]))
        cut = divided(tokens["train"], share, 0.0 if "test" in tokens else self.test)
        tokens = {**cut, **{split: each for split, each in tokens.items() if split != "train"}}
        return language(self.path.name, tokens, 256, self.context, "byte", b"".join(content.values()))

    def _text(self, part: Any, split: str) -> str:
        if not isinstance(self.inputs, str):
            raise DataError("data 'hugging_face': text is one column: name it in data.inputs, or name a data.target")
        self._require(part, split, [self.inputs])
        rows = list(part[self.inputs])
        if not all(isinstance(row, str) for row in rows):
            raise DataError(
                f"data 'hugging_face', {split}: column {self.inputs!r} holds more than text: name what is learned in "
                "data.target"
            )
        return "\n".join(rows)

    def _require(self, part: Any, split: str, names: Sequence[str]) -> None:
        for name in names:
            if name not in part.column_names:
                known = f"{', '.join(part.column_names)}{nearest(name, part.column_names)}"
                raise DataError(f"data 'hugging_face', {split}: there is no column {name!r}: there are {known}")

    def _raw(self, part: Any, split: str, target: str) -> Raw:
        names = (self.inputs,) if isinstance(self.inputs, str) else self.inputs
        self._require(part, split, [*names, target])
        columns = [stacked(list(part[name]), f"data 'hugging_face', {split}: column {name!r}") for name in names]
        if len(columns) == 1:
            inputs = columns[0][:, None] if columns[0].ndim == 1 else columns[0]
        elif any(column.ndim != 1 or column.dtype.kind not in "biuf" for column in columns):
            raise DataError(
                f"data 'hugging_face', {split}: several inputs, {', '.join(names)}, have to be numbers each"
            )
        else:
            inputs = np.stack(columns, axis=1)
        targets = stacked(list(part[target]), f"data 'hugging_face', {split}: column {target!r}")
        return Raw(inputs, targets, names if len(columns) > 1 else ())
