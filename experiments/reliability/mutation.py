"""How many changes of growsearch's mathematics do the tests notice? A random sample, and the tests that run it.

    uv run --with cosmic-ray --with pytest-cov python -m experiments.reliability.mutation [--mutants 60] [--seed 3]

The tests are run once to know which of them run which line. Each mutant then gets a process, forked from one that has
imported torch, and the tests that run its line, those of its module's own file first, until one fails or five minutes
of CPU time are used up (`by` says so). Results are in `mutation_SEED.json` after every mutant; the same command again
goes on. `notes` there say of survivors that were read what became of them.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.machinery
import json
import os
import resource
import signal
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from experiments.reliability import covering
from experiments.reliability.mutants import ROOT, Mutant, drawn

HERE = Path(__file__).parent
BUDGET = 300  # CPU seconds of all tests of a mutant
HANGING = 60  # more, and it hangs
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


def outcome(mutant: Mutant, tests: list[str]) -> tuple[str, str]:
    """Whether tests notice a mutant, and which does first, or what else there is to say."""
    if not tests:
        return SURVIVED, "no test runs it"
    here, there = os.pipe()
    process = os.fork()
    if process == 0:
        _be(mutant, tests, there)
    os.close(there)
    with os.fdopen(here) as told:
        first = told.read()
    _, status = os.waitpid(process, 0)
    code = os.waitstatus_to_exitcode(status)
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        return HANGS, first
    settled = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED)
    if code not in settled or (code and not first):
        raise RuntimeError(f"pytest ended with {code}, which says nothing of the mutant: {mutant.shown()}")
    return (SURVIVED if code == 0 else KILLED), first


def _be(mutant: Mutant, tests: list[str], told: int) -> None:
    """Be the process of a mutant: its status is that of pytest."""
    code = -1
    try:
        os.setpgid(0, 0)
        silent = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(silent, number)
        resource.setrlimit(resource.RLIMIT_CPU, (BUDGET + HANGING, BUDGET + HANGING + 5))
        _install(mutant)
        asked = _Asked(tests)
        files = list(dict.fromkeys(test.partition("::")[0] for test in tests))
        code = pytest.main(["-q", "-x", "-n", "0", "-p", "no:cacheprovider", *files], plugins=[asked])
        if code == pytest.ExitCode.USAGE_ERROR and not _is_imported(mutant):  # as where conftest.py asks for it
            code, asked.failed = pytest.ExitCode.TESTS_FAILED, "its import"
        os.write(told, (asked.failed or asked.ended).encode())
    finally:
        os._exit(code)


class _Asked:
    """Has pytest run some tests in their order until the time is used up, and keeps which failed first."""

    def __init__(self, tests: list[str]) -> None:
        self.places = {test: place for place, test in enumerate(tests)}
        self.failed = self.ended = ""

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = sorted((item for item in items if item.nodeid in self.places), key=lambda i: self.places[i.nodeid])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self.failed:
            self.failed = report.nodeid

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed and not self.failed:
            self.failed = report.nodeid

    def pytest_runtest_setup(self) -> None:
        if time.process_time() > BUDGET:
            self.ended = "time used up"
            pytest.skip(self.ended)


def _is_imported(mutant: Mutant) -> bool:
    try:
        importlib.import_module(".".join(Path(mutant.path).with_suffix("").parts).removesuffix(".__init__"))
    except Exception:
        return False
    return True


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
    """Try the mutants that are not in the record, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mutants", type=int, default=60)
    parser.add_argument("--seed", type=int, default=3)
    options = parser.parse_args()
    path = HERE / f"mutation_{options.seed}.json"
    record = json.loads(path.read_text()) if path.exists() else {"seed": options.seed, "mutants": [], "notes": {}}
    sample = drawn(options.mutants, options.seed)
    os.chdir(ROOT)
    os.environ["OMP_NUM_THREADS"] = "1"
    covering.record()
    for name in LIBRARIES:
        __import__(name)
    tried = record["mutants"]
    for mutant in sample[len(tried) :]:
        started = time.monotonic()
        tests = covering.tests_of(mutant.path, mutant.line)
        result, by = outcome(mutant, tests)
        tried.append({**asdict(mutant), "shown": mutant.shown(), "result": result, "by": by, "tests": len(tests)})
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


if __name__ == "__main__":
    main()
