"""Measure everything that users wait for beside its baseline, all rows in turn, and write the page of the docs.

    OMP_NUM_THREADS=1 uv run --with gromo==0.1.0 python -m experiments.performance [--repeats 5] [--only TEXT]

Eight minutes on two quiet cores. results.json and docs/performance.md are written after every row, so that what was
measured stays; no repeats begin after `--minutes`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import time
import warnings
from pathlib import Path
from typing import Any

import torch

from growsearch.execution.environment import core_count, processor

from . import commands, events, memory, tracing, training
from .table import PAGE, RESULTS, page

COMMAND = "OMP_NUM_THREADS=1 uv run --with gromo==0.1.0 python -m experiments.performance"


def main() -> None:
    """Measure, and write as results come."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=8.0, help="no repeat begins later")
    parser.add_argument("--only", default="", help="rows whose name holds this text; nothing is written then")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    every = (*commands.ROWS, *events.ROWS, *training.ROWS, *memory.ROWS, *tracing.ROWS)
    rows = [row for row in every if options.only in row.name]
    about: dict[str, Any] = {
        "command": COMMAND,
        "commit": _git("rev-parse", "--short", "HEAD")
        + (" with changes" if _git("status", "--porcelain", "-uno") else ""),
        "processor": processor(),
        "cores": core_count(),
        "torch": torch.__version__,
    }
    began = os.getloadavg()[0]
    end = time.monotonic() + 60 * options.minutes
    for _ in range(options.repeats):
        for row in rows:
            if time.monotonic() > end and row.pairs:
                continue
            row.repeat()
            found = {"about": {**about, "load_average": [began, os.getloadavg()[0]]}}
            found["rows"] = {one.name: one.found() for one in rows if one.pairs or one.failed}
            print(json.dumps({row.name: dict(row.pairs[-1]) if row.pairs else row.failed}), flush=True)
            if not options.only:
                RESULTS.write_text(json.dumps(found, indent=1) + "\n")
                PAGE.write_text(page(found))
    print(page(found))


def _git(*arguments: str) -> str:
    command = ["git", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent).stdout.strip()


if __name__ == "__main__":
    main()
