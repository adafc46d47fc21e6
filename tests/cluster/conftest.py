"""The small comparison of the comparison's own tests."""

from tests.comparison.conftest import comparison

__all__ = ["comparison"]
