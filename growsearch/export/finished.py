"""The finished networks of a run folder, and which one is meant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from growsearch.errors import InputError
from growsearch.runs.layout import CONFIG, RESULTS, SEARCH, results_below, trial_folder
from growsearch.runs.reading import read_json
from growsearch.runs.records import RunResult


@dataclass(frozen=True)
class Finished:
    """A run that is finished, with the folder that holds its network."""

    policy: str
    seed: int
    folder: Path


def finished_networks(run: Path) -> list[Finished]:
    """The finished runs in `run`: those of a comparison, of one policy or trial, or the one that it is itself."""
    found = [Finished(path.parent.parent.name, _seed(path), path.parent) for path in results_below(run)]
    return sorted(found, key=lambda one: (one.policy, one.seed))


def find_network(run: Path, policy: str | None = None, seed: int | None = None) -> Path:
    """The folder of the one finished run in `run` that has this policy and this seed, where they are given.

    Raises `InputError`, with what there is, where none or several fit.
    """
    everything = finished_networks(run)
    if not everything:
        raise InputError(_why_none(run))
    fitting = [one for one in everything if policy in (None, one.policy) and seed in (None, one.seed)]
    if len(fitting) == 1:
        return fitting[0].folder
    what = f"{len(fitting)} finished networks" if fitting else f"no finished network {_asked(policy, seed)}"
    raise InputError(f"{run}: has {what}: choose one with --policy NAME --seed N ({_listed(fitting or everything)})")


def _seed(path: Path) -> int:
    return RunResult.of(read_json(path), str(path)).seed


def _why_none(run: Path) -> str:
    """What a folder without finished networks is, and what to do."""
    if (run / SEARCH).is_file():
        results = read_json(run / RESULTS) if (run / RESULTS).is_file() else {}
        best = ", ".join(str(trial_folder(run, number)) for number in results.get("best", []))
        advice = f"the best: {best}" if best else f"{run}/trials/N"
        return f"{run}: is a search: name one of its trials ({advice})"
    if (run / CONFIG).is_file():
        return f"{run}: no run is finished: finish it with: growsearch resume {run}"
    return f"{run}: holds no finished run (allowed: a folder made by run or compare, or its POLICY/seed-K)"


def _asked(policy: str | None, seed: int | None) -> str:
    words = [f"of policy {policy!r}"] if policy is not None else []
    return " ".join([*words, *([f"with seed {seed}"] if seed is not None else [])])


def _listed(found: Sequence[Finished]) -> str:
    seeds: dict[str, list[str]] = {}
    for one in found:
        seeds.setdefault(one.policy, []).append(str(one.seed))
    return "; ".join(f"{policy} seed {', '.join(numbers)}" for policy, numbers in seeds.items())
