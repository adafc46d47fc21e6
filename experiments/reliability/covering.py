"""Which tests run a line: of all that mutation asks, recorded once, with the contexts of pytest-cov."""

from __future__ import annotations

import ast
import hashlib
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

from coverage import CoverageData

from experiments.reliability.mutants import ROOT

FOLDERS = ("graph", "surgery", "growth", "laws", "strategies")


def tests_of(path: str, line: int) -> list[str]:
    """The tests that run a line, as pytest names them, those of the module's own file first, then of its package.

    Of a line of a longer statement those that run any line of it, and of one that runs where the module is imported all
    that run any line of the module.
    """
    found = _covered().contexts_by_lineno(str(ROOT / path))
    names: set[str] = set()
    for lines in ([line], _statement(path, line), list(found)):
        names = {context.rpartition("|")[0] for one in lines for context in found.get(one, [])} - {""}
        if names:
            break
    return sorted(names, key=lambda test: (*_distance(test, Path(path)), test))


def record() -> None:
    """Run all tests once, unless that was done with this code; takes some 20 minutes."""
    _covered()


def _statement(path: str, line: int) -> range:
    statements = (node for node in ast.walk(ast.parse((ROOT / path).read_text())) if isinstance(node, ast.stmt))
    spans = [range(node.lineno, (node.end_lineno or node.lineno) + 1) for node in statements]
    return min((span for span in spans if line in span), key=len, default=range(0))


@cache
def _covered() -> CoverageData:
    place = ROOT / "runs" / f"covered-{_code()}"
    if not place.exists():
        place.parent.mkdir(exist_ok=True)
        growing = place.with_suffix(".part")
        growing.unlink(missing_ok=True)
        files = [f"tests/{folder}" for folder in FOLDERS]
        command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "--cov=growsearch", "--cov-context=test"]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "COVERAGE_FILE": str(growing)}
        subprocess.run([*command, "--cov-report=", *files], cwd=ROOT, check=True, env=environment)
        growing.rename(place)
    data = CoverageData(str(place))
    data.read()
    return data


def _code() -> str:
    """Equal while neither the code nor a test has changed."""
    tops = ("growsearch", "strategies", "tests")
    files = sorted(path for top in tops for path in (ROOT / top).rglob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]


def _distance(test: str, module: Path) -> tuple[bool, bool]:
    file = Path(test.partition("::")[0])
    own = file.stem.removeprefix("test_").rstrip("s") == module.stem.rstrip("s")
    return not own, file.parent.name != module.parts[1]
