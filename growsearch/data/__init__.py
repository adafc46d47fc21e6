"""Data sets by name, and batches of them on the device."""

from growsearch.data.augment import Augment
from growsearch.data.batches import Batches, evaluation_batches
from growsearch.data.dataset import DataSet, DataSource, Split
from growsearch.data.load import load_data, outline_data, validate_data
from growsearch.data.outline import Outline
from growsearch.data.share import WHOLE, Share

__all__ = [
    "WHOLE",
    "Augment",
    "Batches",
    "DataSet",
    "DataSource",
    "Outline",
    "Share",
    "Split",
    "evaluation_batches",
    "load_data",
    "outline_data",
    "validate_data",
]
