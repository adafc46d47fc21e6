"""What a command does not need is not imported: it would take longer than the command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SLOW = ("torch._dynamo", "sympy", "sklearn", "scipy", "networkx", "optuna", "plotly", "pandas", "torchvision", "triton")
_SCRIPT = """
import json, sys
from growsearch.cli import main
sys.argv[0] = PROGRAM
try:
    main()
finally:
    print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""
FILE = """
data: {name: digits}
network: {name: mlp, hidden: [8]}
training: {steps: 3, batch_size: 16, optimizer: {name: sgd, lr: 0.1}}
growth: {budget: {units: 12}, when: {interval: {every: 1, count: 2}}, where: uniform, how: gradmax}
"""


def imported_by(*arguments: str, folder: Path, program: str = "-c") -> set[str]:
    (folder / "file.yaml").write_text(FILE)
    command = [sys.executable, "-c", _SCRIPT.replace("PROGRAM", repr(program)), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.mark.parametrize(
    ("arguments", "but"),
    [
        (("--help",), {"torch", "numpy", "pydantic", "yaml", "importlib.metadata"}),
        (("validate", "file.yaml"), {"rich", "numpy.ma", "growsearch_strategies.how.firefly"}),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_a_command_imports_what_it_needs(arguments: tuple[str, ...], but: set[str], tmp_path: Path) -> None:
    modules = imported_by(*arguments, folder=tmp_path)
    assert not modules & {*SLOW, *but}
    assert ("torch" in modules) == (arguments[0] != "--help")


def prints(program: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_a_report_loads_what_lays_out_networks_when_one_is_drawn() -> None:
    assert prints("import sys, growsearch.report; print('networkx' in sys.modules)") == ["False"]


def test_the_garbage_collector_leaves_alone_what_is_loaded_to_stay() -> None:
    program = """
import gc
from growsearch.cli.loading import loading
runs = []
gc.callbacks.append(lambda phase, facts: runs.append(phase))
with loading():
    import torch
print(len(runs), gc.get_freeze_count() > 100_000, gc.isenabled())
frozen = gc.get_freeze_count()
with loading():
    print(gc.isenabled(), gc.get_freeze_count() == frozen)
"""
    assert prints(program) == ["0", "True", "True", "True", "True"]
