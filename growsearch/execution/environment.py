"""What a comparison ran on: versions, hardware, the user's commit."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from growsearch.errors import InputError
from growsearch.runs.environment import Environment, GitState, read_environment

_PACKAGES = ("growsearch", "torch", "torchvision", "numpy", "optuna", "networkx", "pydantic", "scikit-learn", "scipy")


def describe_environment(
    device: str, workers: int, threads: int, seeds: int, devices: int = 1, nodes: Mapping[str, str] | None = None
) -> Environment:
    """Return what this process runs on.

    Args:
        device: where runs compute.
        workers: runs at a time.
        threads: CPU threads of each process.
        seeds: of every policy.
        devices: that train each run together.
        nodes: of a cluster on which runs computed, by name, in words.
    """
    return Environment(
        command=sys.argv,
        seeds=list(range(seeds)),
        python=platform.python_version(),
        packages=package_versions(),
        system=platform.platform(),
        processor=processor(),
        cores=core_count(),
        device=device,
        accelerator=torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        workers=workers,
        threads_per_worker=threads,
        git=_git(Path.cwd()),
        devices=devices,
        nodes=dict(nodes or {}),
    )


def recorded_workers(folder: Path) -> int | None:
    """Return how many runs a folder had at a time, if on a machine with as many cores; None where nothing tells."""
    try:
        environment = read_environment(folder)
    except InputError:
        return None
    return environment.workers if not environment.nodes and environment.cores == core_count() else None


def package_versions() -> dict[str, str | None]:
    """Versions of growsearch and of what it computes with; None for what is not installed."""
    return {name: _version(name) for name in _PACKAGES}


def core_count() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor() -> str:
    """Model name of the CPU, as far as the system tells."""
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git(folder: Path) -> GitState | None:
    """The state of the user's folder; None where it is not under git."""
    commit = _ask_git(folder, "rev-parse", "HEAD")
    if commit is None:
        return None
    return GitState(commit, bool(_ask_git(folder, "status", "--porcelain", "--untracked-files=no")))


def _ask_git(folder: Path, *arguments: str) -> str | None:
    try:
        answer = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()
