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
        (("--help",), {"torch", "numpy", "pydantic", "yaml"}),
        (("validate", "file.yaml"), {"rich"}),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_a_command_imports_what_it_needs(arguments: tuple[str, ...], but: set[str], tmp_path: Path) -> None:
    modules = imported_by(*arguments, folder=tmp_path)
    assert not modules & {*SLOW, *but}
    assert ("torch" in modules) == (arguments[0] != "--help")
