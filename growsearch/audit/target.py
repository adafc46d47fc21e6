"""The run that is audited: its configuration, and what it recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from growsearch.config import RunConfig, load_config
from growsearch.errors import InputError
from growsearch.registry import nearest
from growsearch.runs.environment import read_environment
from growsearch.runs.layout import (
    BEST,
    CHECKPOINT,
    CONFIG,
    ENVIRONMENT,
    SEARCH,
    event_folder,
    run_of,
    seed_folders,
)
from growsearch.runs.records import GrowthLine, MetricsRow
from growsearch.runs.store import read_growth, read_result, read_rows
from growsearch.training.checkpoint import load_checkpoint
from growsearch.training.result import fingerprint


@dataclass(frozen=True)
class Target:
    """One run of a folder: a policy with a seed.

    `events` are the growth events that changed the network, as `growth.jsonl` has them; they are counted from 1.
    `threads` are the CPU threads that it was run with, None where that is not known.
    """

    folder: Path
    policy: str
    seed: int
    config: RunConfig
    rows: tuple[MetricsRow, ...]
    events: tuple[GrowthLine, ...]
    threads: int | None

    @property
    def name(self) -> str:
        """The run in words."""
        return f"seed {self.seed}" if self.policy == "run" else f"{self.policy} seed {self.seed}"

    @cached_property
    def fingerprint(self) -> str:
        """Of its configuration and seed."""
        return fingerprint(self.config, self.seed)

    def event(self, number: int) -> GrowthLine:
        """Return event `number`, from 1; `InputError` where there is none."""
        if not 1 <= number <= len(self.events):
            listed = ", ".join(f"{index} at step {one.step}" for index, one in enumerate(self.events, 1))
            raise InputError(
                f"{self.folder}: there is no event {number}: {self.name} has {len(self.events)} growth "
                f"event{'s' if len(self.events) > 1 else ''} ({listed})"
            )
        return self.events[number - 1]

    def audit_folder(self, number: int) -> Path:
        """Where the audit of an event is kept."""
        return event_folder(self.folder, number)


def find_run(folder: Path, policy: str | None = None, seed: int | None = None, allow_import: bool = False) -> Target:
    """The run to audit in the folder of a run or a comparison.

    Policy and seed may be left out where there is one only. `InputError` where the folder is none of a run, where
    there are several to choose from, where the run did not grow in events, or where its configuration has changed.

    Args:
        folder: of a run or a comparison.
        policy: its name; None: the only one.
        seed: of the run; None: the only one.
        allow_import: whether a network named by import path may be imported.
    """
    config = _configuration(folder, allow_import)
    runs = _runs(folder, config.policy_configs())
    policy, seed = _chosen(folder, runs, policy, seed)
    home, own = run_of(folder, policy, seed), config.policy_configs()[policy]
    _check_unchanged(home, fingerprint(own, seed))
    if own.growth.soft is not None:
        raise InputError(
            f"{home}: its sizes are chosen by gradient descent ({', '.join(own.growth.soft)}): there are no growth "
            "events to audit; audit a run that grows by when, where and how"
        )
    events = tuple(line for line in read_growth(home) if line.refused is None)
    if not events:
        grown = [f"{name} seed {one}" for name, seeds in runs.items() for one in seeds if _grew(folder, name, one)]
        others = f"; these have: {', '.join(grown[:12])}" if grown else ""
        raise InputError(f"{home}: this run has no growth event to audit{others}")
    return Target(home, policy, seed, own, tuple(read_rows(home)), events, _threads(folder, home))


def _configuration(folder: Path, allow_import: bool) -> RunConfig:
    path = folder / CONFIG
    if not path.is_file():
        raise InputError(f"{folder}: is not a run folder: there is no {path} (allowed: one made by run or compare)")
    if (folder / SEARCH).is_file():
        raise InputError(
            f"{folder}: is the folder of a search: audit a run of its best trial, made by: "
            f"growsearch run {folder / BEST} --out DIR"
        )
    return load_config(path, allow_import=allow_import)


def _runs(folder: Path, policies: Mapping[str, RunConfig]) -> dict[str, list[int]]:
    """The seeds of every policy that have a folder."""
    found = {name: list(seed_folders(folder / name)) for name in policies}
    if not any(found.values()):
        raise InputError(f"{folder}: no run has begun: start it with: growsearch resume {folder}")
    return {name: seeds for name, seeds in found.items() if seeds}


def _chosen(folder: Path, runs: dict[str, list[int]], policy: str | None, seed: int | None) -> tuple[str, int]:
    listed = "; ".join(f"{name}: {_seeds(seeds)}" for name, seeds in runs.items())
    if policy is None:
        if len(runs) > 1:
            raise InputError(f"{folder}: holds several runs: choose one with --policy NAME --seed N ({listed})")
        policy = next(iter(runs))
    if policy not in runs:
        raise InputError(f"{folder}: there is no run of policy {policy!r} (found {listed}){nearest(policy, runs)}")
    if seed is None:
        if len(runs[policy]) > 1:
            raise InputError(
                f"{folder}: policy {policy} has several runs: choose one with --seed N ({_seeds(runs[policy])})"
            )
        seed = runs[policy][0]
    if seed not in runs[policy]:
        raise InputError(
            f"{folder}: there is no run of policy {policy} with seed {seed} (found {_seeds(runs[policy])})"
        )
    return policy, seed


def _seeds(seeds: list[int]) -> str:
    return f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"


def _grew(folder: Path, policy: str, seed: int) -> bool:
    return any(line.refused is None for line in read_growth(run_of(folder, policy, seed)))


def _check_unchanged(home: Path, expected: str) -> None:
    """`InputError` where the run was made by another configuration than the folder's file gives now."""
    if (result := read_result(home)) is not None:
        found = result.config
    else:
        saved = load_checkpoint(home / CHECKPOINT, torch.device("cpu"))
        found = expected if saved is None else saved["config"]
    if found != expected:
        raise InputError(
            f"{home}: was run with another configuration than {home.parents[1] / CONFIG} has now: put that back as it "
            "was, or run again in another folder"
        )


def _threads(folder: Path, home: Path) -> int | None:
    """CPU threads of a run; older results do not tell, and of one worker neither does the folder."""
    result = read_result(home)
    if result is not None and result.threads is not None:
        return result.threads
    if not (folder / ENVIRONMENT).is_file():
        return None
    environment = read_environment(folder)
    return environment.threads_per_worker if environment.workers > 1 else None
