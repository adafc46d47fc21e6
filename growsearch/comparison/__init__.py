"""Comparing policies: every policy with every seed under one protocol."""

from growsearch.comparison.compare import compare
from growsearch.comparison.results import read_results
from growsearch.comparison.table import TableRow, result_table

__all__ = ["TableRow", "compare", "read_results", "result_table"]
