"""The small comparison of the comparison's own tests, and a Ray that takes the environment as it is."""

import os

os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"  # as the product sets it, before Ray is imported

from tests.comparison.conftest import comparison  # noqa: E402

__all__ = ["comparison"]
