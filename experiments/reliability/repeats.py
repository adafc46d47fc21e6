"""Run the tests that kill, wait or race again and again: one that fails now and then is not deterministic.

    .ci/postgres uv run python -m experiments.reliability.repeats [--rounds 50]

They are the files that send signals, start processes or threads, or hold locks. Each round is one pytest of all of
them, on two workers. Which tests failed, how busy the machine was and what was run is in `repeats.json` after every
round; the same command again goes on. What failed is mended, and the rounds begin anew with the record deleted.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

from experiments.reliability.rounds import code
from growsearch.execution.environment import core_count

RECORD = Path(__file__).with_suffix(".json")
ROOT = Path(__file__).resolve().parents[2]
SIGNS = re.compile(
    r"SIGKILL|SIGINT|SIGTERM|os\.kill|\.kill\(|\.terminate\(|threading\.|Popen|multiprocessing|held\(|flock"
)
APART = ("cluster",)  # folders of tests that need an extra


def files() -> list[str]:
    """The test files that kill, wait or race."""
    found = [
        path.relative_to(ROOT) for path in sorted((ROOT / "tests").rglob("test_*.py")) if SIGNS.search(path.read_text())
    ]
    return [str(path) for path in found if path.parts[1] not in APART]


def played() -> dict[str, Any]:
    """One round: how many tests ran, which of them failed, and how long and how busy the machine was."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-n", "2", f"--junit-xml={report}", *files()]
        subprocess.run(command, cwd=ROOT, check=False, stdout=subprocess.DEVNULL)
        cases = list(ElementTree.parse(report).iter("testcase"))
    failed = [
        f"{case.get('classname')}::{case.get('name')}"
        for case in cases
        if case.find("failure") is not None or case.find("error") is not None
    ]
    ran = sum(case.find("skipped") is None for case in cases)
    seconds = round(time.monotonic() - began)
    return {"code": code(), "tests": ran, "failed": failed, "seconds": seconds, "load": round(os.getloadavg()[1], 1)}


def main() -> None:
    """Play rounds until there are as many as asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=50)
    options = parser.parse_args()
    rounds = json.loads(RECORD.read_text())["rounds"] if RECORD.exists() else []
    while len(rounds) < options.rounds:
        rounds.append(played())
        failures = sum(len(one["failed"]) for one in rounds)
        record = {"total": {"rounds": len(rounds), "failures": failures}, "cores": core_count(), "rounds": rounds}
        RECORD.write_text(json.dumps(record, indent=1) + "\n")
        print(rounds[-1], flush=True)


if __name__ == "__main__":
    main()
