"""Data sets by name, and batches of them on the device."""

from growsearch.data.augment import Augment
from growsearch.data.batches import Batches, evaluation_batches
from growsearch.data.dataset import DataSet, DataSource, Split
from growsearch.data.load import load_data, validate_data

__all__ = [
    "Augment",
    "Batches",
    "DataSet",
    "DataSource",
    "Split",
    "evaluation_batches",
    "load_data",
    "validate_data",
]
