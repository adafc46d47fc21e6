"""How many changes of growsearch's mathematics do the tests notice? A random sample, and the tests near it.

    uv run --with cosmic-ray python -m experiments.reliability.mutation [--mutants 200] [--seed 0] [--thorough]

Each mutant gets a process, forked from one that has imported torch, and the test files of its package and those that
speak most of its module, those first that have its name, until one fails or a minute of CPU time is used up. A mutant
that is not noticed by them counts as a survivor, though a later test may notice it: with `--thorough` those that
survived and have no note are tried again, on all tests of those folders. Results are in `mutation_SEED.json` after
every mutant; the same command again goes on. `notes` there say of survivors that were read what became of them.
"""

from __future__ import annotations

import argparse
import ast
import importlib.machinery
import json
import os
import re
import resource
import signal
import time
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from experiments.reliability.mutants import ROOT, Mutant, drawn

HERE = Path(__file__).parent
FOLDERS = ("graph", "surgery", "growth", "laws", "strategies")
BUDGET, THOROUGH = 60, 900  # CPU seconds of all tests of a mutant
HANGING = 60  # more, and it hangs
MOST_FILES = 40  # where a minute has to do
LIBRARIES = (
    "torch",
    "torchvision",
    "networkx",
    "numpy",
    "optuna",
    "pydantic",
    "pytest",
    "scipy.stats",
    "sklearn",
    "beartype",
)
KILLED, SURVIVED, HANGS = "killed", "survived", "hangs"


def tests_of(path: str) -> list[str]:
    """The test files near a module: that of its name, then those of its package, those first that speak most of it."""
    module = Path(path)
    package, tree = module.parts[1], ast.parse((ROOT / path).read_text())
    names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)} - {"__init__"}
    words = {module.stem, *(name.strip("_") for name in names)}

    def nearness(test: Path) -> tuple[bool, bool, float]:
        said = _words(test)
        share = len(words & said) / (1 + len(said)) ** 0.5
        own = test.stem.removeprefix("test_").rstrip("s") == module.stem.rstrip("s")
        return own, test.parent.name == package, share

    files = [test for folder in FOLDERS for test in sorted((ROOT / "tests" / folder).glob("test_*.py"))]
    return [str(test) for test in sorted(files, key=nearness, reverse=True)]


@cache
def _words(test: Path) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", test.read_text()))


def outcome(mutant: Mutant, seconds: float) -> tuple[str, str]:
    """Whether the tests notice a mutant within so much CPU time, and which does first."""
    here, there = os.pipe()
    process = os.fork()
    if process == 0:
        _be(mutant, seconds, there)
    os.close(there)
    with os.fdopen(here) as told:
        first = told.read()
    _, status = os.waitpid(process, 0)
    code = os.waitstatus_to_exitcode(status)
    if code == -signal.SIGXCPU or code == -signal.SIGKILL:
        return HANGS, first
    return (SURVIVED if code == 0 else KILLED), first


def _be(mutant: Mutant, seconds: float, told: int) -> None:
    """Be the process of a mutant: 0 where no test failed."""
    code = 1
    try:
        os.setsid()
        silent = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(silent, number)
        resource.setrlimit(resource.RLIMIT_CPU, (int(seconds) + HANGING, int(seconds) + HANGING + 5))
        _install(mutant)
        import pytest

        watcher = _Watcher(seconds)
        files = tests_of(mutant.path)[: MOST_FILES if seconds < THOROUGH else None]
        found = pytest.main(["-q", "-x", "-n", "0", "-p", "no:cacheprovider", *files], plugins=[watcher])
        os.write(told, watcher.failed.encode())
        code = int(found not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED))
    finally:
        os._exit(code)


class _Watcher:
    """Ends the tests where the time is used up, and keeps which failed first."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.failed = ""

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed and not self.failed:
            self.failed = str(report.nodeid)

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed and not self.failed:
            self.failed = str(report.nodeid)

    def pytest_runtest_setup(self, item: Any) -> None:
        if time.process_time() > self.seconds:
            import pytest

            pytest.skip("the time is used up")


def _install(mutant: Mutant) -> None:
    """Let the module be imported as the mutant says."""
    place, text = str(ROOT / mutant.path), mutant.text().encode()
    read = importlib.machinery.SourceFileLoader.get_data

    def get_data(self: Any, path: str) -> bytes:
        if str(path) == place:
            return text
        if str(path).endswith(".pyc") and f"/{Path(place).stem}." in str(path):
            raise OSError  # compiled before
        return read(self, path)

    # Nothing compiled from a mutant is kept where others would find it; tests turn `dont_write_bytecode` off again.
    importlib.machinery.SourceFileLoader.set_data = lambda *_, **__: None  # type: ignore[method-assign]
    importlib.machinery.SourceFileLoader.get_data = get_data  # type: ignore[method-assign]


def interval(killed: int, count: int) -> tuple[float, float]:
    """The share that is noticed, with 95 % confidence (Wilson, 1927)."""
    z, share = 1.96, killed / count
    middle, wide = share + z * z / (2 * count), z * (share * (1 - share) / count + z * z / (4 * count**2)) ** 0.5
    return (middle - wide) / (1 + z * z / count), (middle + wide) / (1 + z * z / count)


def main() -> None:
    """Try the mutants that are not in the record, one after the other, or those again that survived."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mutants", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--thorough", action="store_true", help="those that survived again, on all tests")
    options = parser.parse_args()
    path = HERE / f"mutation_{options.seed}.json"
    record = json.loads(path.read_text()) if path.exists() else {"seed": options.seed, "mutants": [], "notes": {}}
    sample = drawn(options.mutants, options.seed)
    os.chdir(ROOT)
    os.environ["OMP_NUM_THREADS"] = "1"
    for name in LIBRARIES:
        __import__(name)
    tried = record["mutants"]
    places = range(len(tried), len(sample))
    if options.thorough:
        places = [place for place, one in enumerate(tried) if _is_open(one, record["notes"])]
    for place in places:
        mutant, seconds = sample[place], THOROUGH if options.thorough else BUDGET
        started = time.monotonic()
        result, by = outcome(mutant, seconds)
        tried[place : place + 1] = [
            {**asdict(mutant), "shown": mutant.shown(), "result": result, "by": by, "seconds": seconds}
        ]
        killed = sum(one["result"] != SURVIVED for one in tried)
        low, high = interval(killed, len(tried))
        record["total"] = {
            "mutants": len(tried),
            "killed": killed,
            "share": killed / len(tried),
            "interval": [low, high],
        }
        path.write_text(json.dumps(record, indent=1) + "\n")
        told = f"{killed} of {len(tried)}: {result}: {mutant.path}: {mutant.shown()}"
        print(f"{time.monotonic() - started:.0f} s, {told}", flush=True)


def _is_open(tried: dict[str, Any], notes: dict[str, str]) -> bool:
    survived = tried["result"] == SURVIVED and tried.get("seconds", BUDGET) < THOROUGH
    return survived and f"{tried['path']}:{tried['line']}" not in notes


if __name__ == "__main__":
    main()
