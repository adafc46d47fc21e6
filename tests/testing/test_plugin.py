"""A package from outside adds one of everything, keeps the laws, and is used by name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

PLUGIN = Path(__file__).parents[1] / "plugin"
sys.path.insert(0, str(PLUGIN))

from growsearch_example.data import Rings  # noqa: E402  # from the folder above
from growsearch_example.network import TwoLayers  # noqa: E402
from growsearch_example.operation import Soften  # noqa: E402
from growsearch_example.optimizer import Sign  # noqa: E402
from growsearch_example.strategies import EveryThird, Faint, Narrowest  # noqa: E402
from growsearch_example.task import Confident  # noqa: E402

from growsearch import registry  # noqa: E402
from growsearch.testing import (  # noqa: E402
    DataSourceLaws,
    InitializerLaws,
    NetworkLaws,
    OperationLaws,
    OptimizerLaws,
    SchedulerLaws,
    SelectorLaws,
    TaskLaws,
)

sys.path.remove(str(PLUGIN))


class TestFaint(InitializerLaws):
    strategy = Faint()


class TestNarrowest(SelectorLaws):
    strategy = Narrowest()


class TestEveryThird(SchedulerLaws):
    strategy = EveryThird()


class TestTwoLayers(NetworkLaws):
    network, input_shape, outputs = TwoLayers(), (2,), 2


class TestRings(DataSourceLaws):
    source = Rings()


class TestConfident(TaskLaws):
    task, input_shape, outputs = Confident(), (2,), 3

    @pytest.fixture
    def batch(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        generator = torch.Generator().manual_seed(0)
        inputs, outputs = (torch.randn(8, size, generator=generator) for size in (2, 3))
        return inputs, outputs, torch.arange(8) % 3


class TestSign(OptimizerLaws):
    record = Sign(lr=0.01)

    @pytest.fixture(autouse=True)
    def installed(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """As if the package were installed."""
        monkeypatch.syspath_prepend(str(PLUGIN))
        registry.refresh()
        yield
        monkeypatch.undo()
        registry.refresh()


class TestSoften(OperationLaws):
    module = Soften()


FILE = """
data: {name: rings}
network: {name: two_layers, width: 0.5}
training: {epochs: 2, batch_size: 20, optimizer: {name: sign, lr: 0.01}}
task: confident
growth:
  budget: {width: 2.0}
  when: {every_third: {}}
  where: {narrowest: {}}
  how: {faint: {scale: 0.2}}
"""


def test_what_is_registered_is_used_by_name(tmp_path: Path) -> None:
    file = tmp_path / "file.yaml"
    file.write_text(FILE)
    command = [sys.executable, "-m", "growsearch", "run", str(file), "--out", str(tmp_path / "run"), "--device", "cpu"]

    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(PLUGIN)}, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    (result,) = (json.loads(path.read_text()) for path in (tmp_path / "run").rglob("result.json"))
    assert result["metric"]["name"] == "confidence" and 0 < result["test_confidence"] < 1
    assert "test confidence" in done.stdout
    (log,) = (tmp_path / "run").rglob("growth.jsonl")
    events = [json.loads(line) for line in log.read_text().splitlines()]
    assert events and all((e["when"], e["where"], e["how"]) == ("every_third", "narrowest", "faint") for e in events)


def test_without_the_package_the_name_is_unknown(tmp_path: Path) -> None:
    """Negative control."""
    file = tmp_path / "file.yaml"
    file.write_text(FILE)

    done = subprocess.run([sys.executable, "-m", "growsearch", "validate", str(file)], capture_output=True, text=True)

    assert done.returncode == 2 and "rings" in done.stderr


@pytest.fixture(autouse=True)
def _without_the_environments_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
