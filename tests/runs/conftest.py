"""The command line, and the small comparison that the tests of `tests/comparison` run."""

from tests.cli.conftest import growsearch
from tests.comparison.conftest import comparison

__all__ = ["comparison", "growsearch"]
