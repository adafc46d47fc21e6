"""A package from outside adds one of everything, keeps the laws, and is used by name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PLUGIN = Path(__file__).parents[1] / "plugin"
sys.path.insert(0, str(PLUGIN))

from growsearch_example.data import Rings  # noqa: E402  # from the folder above
from growsearch_example.network import TwoLayers  # noqa: E402
from growsearch_example.strategies import EveryThird, Narrowest, Tiny  # noqa: E402

from growsearch.testing import (  # noqa: E402
    DataSourceLaws,
    InitializerLaws,
    NetworkLaws,
    SchedulerLaws,
    SelectorLaws,
)

sys.path.remove(str(PLUGIN))


class TestTiny(InitializerLaws):
    strategy = Tiny()


class TestNarrowest(SelectorLaws):
    strategy = Narrowest()


class TestEveryThird(SchedulerLaws):
    strategy = EveryThird()


class TestTwoLayers(NetworkLaws):
    network, input_shape, outputs = TwoLayers(), (2,), 2


class TestRings(DataSourceLaws):
    source = Rings()


FILE = """
data: {name: rings}
network: {name: two_layers, width: 0.5}
training: {epochs: 2, batch_size: 20, optimizer: {name: sgd, lr: 0.1}}
growth:
  budget: {width: 2.0}
  when: {every_third: {}}
  where: {narrowest: {}}
  how: {tiny: {scale: 0.2}}
"""


def test_what_is_registered_is_used_by_name(tmp_path: Path) -> None:
    file = tmp_path / "file.yaml"
    file.write_text(FILE)
    command = [sys.executable, "-m", "growsearch", "run", str(file), "--out", str(tmp_path / "run"), "--device", "cpu"]

    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(PLUGIN)}, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    (log,) = (tmp_path / "run").rglob("growth.jsonl")
    events = [json.loads(line) for line in log.read_text().splitlines()]
    assert events and all((e["when"], e["where"], e["how"]) == ("every_third", "narrowest", "tiny") for e in events)


def test_without_the_package_the_name_is_unknown(tmp_path: Path) -> None:
    """Negative control."""
    file = tmp_path / "file.yaml"
    file.write_text(FILE)

    done = subprocess.run([sys.executable, "-m", "growsearch", "validate", str(file)], capture_output=True, text=True)

    assert done.returncode == 2 and "rings" in done.stderr


@pytest.fixture(autouse=True)
def _without_the_environments_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
