"""Any data set of PyTorch that the user's own code makes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field
from torch.utils.data import Dataset

from growsearch.data.assembling import SPLITS, Predict, assemble
from growsearch.data.dataset import DataSet, DataSource, Validation
from growsearch.data.samples import gathered
from growsearch.errors import DataError
from growsearch.importing import imported


class Imported(DataSource):
    """What `factory`, `package.module:name`, returns for `arguments`: a `Dataset` of pairs (input, target).

    It may also return a training and a test set, or a training, a validation and a test set, or a dictionary of these
    by `train`, `validation` and `test`. All samples are read once, into memory. Without samples for the test a share of
    them is held out, and `validation` (a number, or as a fraction a share) of the rest. Needs `--allow-import`.
    """

    summary: ClassVar[str] = "any torch Dataset that a function of yours returns, by its import path"
    source: ClassVar[str] = "your own"
    imports: ClassVar[bool] = True

    factory: str = Field(pattern=r"^[\w.]+:\w+$")
    arguments: dict[str, Any] = Field(default_factory=dict)
    test: Annotated[float, Field(gt=0, lt=1)] = 0.2
    validation: Validation = 0.1
    predict: Predict | None = None
    standardise: bool = True

    def load(self, seed: int) -> DataSet:
        """See `DataSource.load`; raises `DataError` where the factory fails, or gives something else."""
        owner = f"data {self.factory!r}"
        make = imported(self.factory, owner, allow_import=True)  # whoever loads has asked
        try:
            made = make(**self.arguments)
        except Exception as error:  # the user's own code
            raise DataError(f"{owner} failed with {self.arguments}: {type(error).__name__}: {error}") from error
        parts = _parts(made)
        if parts is None:
            raise DataError(
                f"{owner} returned a {type(made).__name__}: needed is a torch.utils.data.Dataset, two or three of them "
                "(training, validation, test), or a dictionary of them by train, validation and test"
            )
        found = {split: gathered(_samples(part), f"{owner}, {split}") for split, part in parts.items()}
        name = self.factory.partition(":")[2]
        return assemble(name, found, self.predict, self.test, self.validation, self.standardise)


def _parts(made: Any) -> dict[str, Dataset[Any]] | None:
    if isinstance(made, Dataset):
        return {"train": made}
    if isinstance(made, tuple | list) and len(made) in (2, 3):
        made = dict(zip(SPLITS if len(made) == 3 else ("train", "test"), made, strict=True))
    whole = isinstance(made, Mapping) and "train" in made and set(made) <= set(SPLITS)
    return dict(made) if whole and all(isinstance(part, Dataset) for part in made.values()) else None


def _samples(part: Any) -> Any:
    """One after the other: a data set that has a length and no end of its own would never end."""
    return (part[index] for index in range(len(part))) if hasattr(part, "__len__") else part
