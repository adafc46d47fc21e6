"""Tables of growth: many configurations of a search space, each trained with several seeds, every curve kept."""

from growsearch.tables.files import load, names, save
from growsearch.tables.table import COMPLETE, GrowthTable

__all__ = ["COMPLETE", "GrowthTable", "load", "names", "save"]
