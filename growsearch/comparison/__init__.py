"""Comparing policies: every policy with every seed under one protocol, and everything that is concluded from it."""

from growsearch.comparison.compare import compare
from growsearch.comparison.conclusions import Conclusions
from growsearch.comparison.results import ComparisonResults, read_results, results_from
from growsearch.comparison.table import TableRow

__all__ = ["ComparisonResults", "Conclusions", "TableRow", "compare", "read_results", "results_from"]
