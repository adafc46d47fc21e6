"""The small comparison that the tests of `tests/comparison` run."""

from tests.comparison.conftest import comparison

__all__ = ["comparison"]
