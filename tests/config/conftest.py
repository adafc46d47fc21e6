"""Files for the tests of loading."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

PLAIN = """\
data: {name: digits}
network: {name: mlp, hidden: [8], width: 0.5}
training:
  epochs: 2
  batch_size: 32
  optimizer: {name: sgd, lr: 0.1, momentum: 0.9}
growth:
  budget: {width: 1.0}
  when: {interval: {every: 5}}
  where: uniform
  how: {random: {scale: 0.5}}
"""

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write text into a file and give its path."""

    def make(text: str) -> Path:
        path = tmp_path / "file.yaml"
        path.write_text(text)
        return path

    return make
