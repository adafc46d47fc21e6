"""The command line in this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import CliRunner

from growsearch.cli import app

Run = Callable[..., Any]


@pytest.fixture
def growsearch() -> Run:
    """Call the program with arguments; gives `exit_code`, `stdout` and `stderr`."""

    def run(*arguments: object) -> Any:
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return run
