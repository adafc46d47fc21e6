"""Grow every exact site of every architecture of the catalogue at once, and write the table.

    uv run --group architectures python -m experiments.architectures [--only TEXT] [--workers N] [--results FILE]

Each architecture has a process of its own, one thread, 300 seconds and 6 GiB. `results.json` is written as results
come: a rerun continues where growsearch and this folder are the same, and starts anew where they are not.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import subprocess
from concurrent.futures import ThreadPoolExecutor, as_completed
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .catalogue import catalogue
from .isolated import preload, result_of
from .page import PAGE, page
from .trial import HALF_TOLERANCE, TOLERANCE

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="only architectures whose name contains this; no page is written")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--results", type=Path, default=HERE / "results.json")
    options = parser.parse_args()
    os.environ.update(OMP_NUM_THREADS="1", HF_HUB_OFFLINE="1")
    preload()
    found = _continued(options.results)
    names = [name for name in catalogue() if options.only in name]
    left = [name for name in names if name not in found["architectures"]]
    with ThreadPoolExecutor(options.workers) as pool:
        running = {pool.submit(result_of, name): name for name in left}
        for done in as_completed(running):
            name, result = running[done], done.result()
            found["architectures"][name] = result
            print(f"{name:50} {result['outcome']:15} {result['reason'][:120]}", flush=True)
            options.results.write_text(json.dumps(found, indent=1) + "\n")
    if not options.only:
        found["architectures"] = {name: found["architectures"][name] for name in names}
        options.results.write_text(json.dumps(found, indent=1) + "\n")
        if options.results == HERE / "results.json":
            PAGE.write_text(page(found))


def _continued(path: Path) -> dict[str, Any]:
    """What `path` holds, if it is of this source code; else a new start."""
    source = _digest()
    if path.exists():
        found: dict[str, Any] = json.loads(path.read_text())
        if found["source"] == source:
            return found
    tolerances = {"tolerance": TOLERANCE, "half_tolerance": HALF_TOLERANCE}
    return {"source": source, "machine": _machine(), **tolerances, "architectures": {}}


def _digest() -> str:
    """Of all Python files that decide about the results."""
    folders = (ROOT / "growsearch", ROOT / "strategies", HERE)
    digest = hashlib.sha256()
    for file in sorted(file for folder in folders for file in folder.rglob("*.py")):
        digest.update(file.relative_to(ROOT).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def _machine() -> dict[str, Any]:
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=HERE).stdout
    libraries = {name: version(name) for name in ("torch", "torchvision", "timm", "transformers")}
    return {"cores": os.cpu_count(), "python": platform.python_version(), "commit": commit.strip(), **libraries}


if __name__ == "__main__":
    main()
