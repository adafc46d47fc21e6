"""What a run folder was made on: the record in `environment.json`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from growsearch.errors import InputError
from growsearch.runs.files import write_json
from growsearch.runs.layout import ENVIRONMENT
from growsearch.runs.reading import read_json, record_of


@dataclass(frozen=True)
class GitState:
    """The commit of the user's folder, and whether it had changes."""

    commit: str
    changed: bool


@dataclass(frozen=True, kw_only=True)
class Environment:
    """Versions, hardware and the command; `packages` has None for what is not installed, `git` where there is none.

    `devices` train each run together, every one with `threads_per_worker`. `nodes` are those of a cluster on which runs
    computed, by name, each with its hardware in words; otherwise it was this machine.
    """

    command: Sequence[str]
    seeds: Sequence[int]
    python: str
    packages: Mapping[str, str | None]
    system: str
    processor: str
    cores: int
    device: str
    accelerator: str | None
    workers: int
    threads_per_worker: int
    git: GitState | None
    devices: int = 1
    nodes: Mapping[str, str] = field(default_factory=dict)


def write_environment(folder: Path, environment: Environment) -> None:
    """Write the environment of a run folder."""
    write_json(folder / ENVIRONMENT, asdict(environment))


def recorded_devices(folder: Path) -> int:
    """Return how many devices train each run of a folder; 1 where nothing is (readably) recorded."""
    try:
        return read_environment(folder).devices
    except InputError:
        return 1


def read_environment(folder: Path) -> Environment:
    """Return the environment of a run folder; raises `InputError` where it is missing or damaged."""
    path = folder / ENVIRONMENT
    return record_of(Environment, read_json(path), str(path))
