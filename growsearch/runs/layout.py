"""What a run folder holds, and the only place that spells its names.

RUN/
    config.yaml, environment.json, results.json, report.html; lock.json while a command runs
    POLICY/seed-K/            one training; of a search trials/N/seed-K/
        metrics.jsonl, growth.jsonl, recoveries.jsonl, checkpoint.pt; lock.json while it is trained
        result.json, model.safetensors, network.json      when it is finished
        failure.txt                                       where it failed
        beginning.json                                    where another run had trained its first steps
    beginnings of runs/            while a comparison runs: what runs have in common until they first grow
        audit/summary.json, audit/event-E/results.json    what growth events were worth
    pilot runs/POLICY/lr x F/seed-K/      a training that helped to choose a learning rate
        diverged.json                     where that was too high
    search.json, study.journal, claims, trials/, best.yaml or pareto/N.yaml      of a search
"""

from __future__ import annotations

from pathlib import Path

CONFIG = "config.yaml"
ENVIRONMENT = "environment.json"
RESULTS = "results.json"
REPORT = "report.html"
LOCK = "lock.json"

METRICS = "metrics.jsonl"
GROWTH = "growth.jsonl"
RECOVERIES = "recoveries.jsonl"
CHECKPOINT = "checkpoint.pt"
RESULT = "result.json"
WEIGHTS = "model.safetensors"
DESCRIPTION = "network.json"
FAILURE = "failure.txt"
DIVERGED = "diverged.json"
BEGINNING = "beginning.json"

SUMMARY = "summary.json"
BEFORE = "before.pt"

SEARCH = "search.json"
JOURNAL = "study.journal"
CLAIMS = "claims"
BEST = "best.yaml"
SINGLE = "run"  # in the place of a policy, where the file has none
PARETO = "pareto"

_SEED, _TRIALS, _RACE, _AUDIT, _EVENT = "seed-", "trials", "race", "audit", "event-"
_PILOTS, _BEGINNINGS = "pilot runs", "beginnings of runs"  # with a blank, which no policy's name has


def is_run_folder(folder: Path) -> bool:
    """Return whether a command has worked in a folder."""
    return (folder / CONFIG).is_file() and (folder / ENVIRONMENT).is_file()


def run_of(folder: Path, policy: str, seed: int) -> Path:
    """Return where the run folder `folder` keeps the training of a policy (or control) with a seed."""
    return seed_folder(folder / policy, seed)


def beginning_file(folder: Path, key: str) -> Path:
    """Return where a run folder keeps the beginning that some of its trainings share."""
    return beginnings_folder(folder) / f"{key}.pt"


def beginnings_folder(folder: Path) -> Path:
    """Return where a run folder keeps all such beginnings."""
    return folder / _BEGINNINGS


def pilot_folder(folder: Path, policy: str, factor: float, seed: int) -> Path:
    """Return where a run folder keeps the training of a policy (or control) at a multiple of its learning rate.

    Args:
        folder: of the comparison.
        policy: or control.
        factor: of the learning rate.
        seed: of the training.
    """
    return seed_folder(folder / _PILOTS / policy / f"lr x {factor:g}", seed)


def seed_folder(home: Path, seed: int) -> Path:
    """Return where a policy's or trial's folder `home` keeps a seed."""
    return home / f"{_SEED}{seed}"


def seed_folders(home: Path) -> dict[int, Path]:
    """Return the folders of all seeds in a policy's or trial's folder, in their order."""
    found = {path.name.removeprefix(_SEED): path for path in home.glob(f"{_SEED}*")}
    return dict(sorted((int(seed), path) for seed, path in found.items() if seed.isdigit()))


def in_seed_folders(home: Path, name: str) -> list[Path]:
    """Return the files of that name in all seeds' folders of a policy or trial."""
    return list(home.glob(f"{_SEED}*/{name}"))


def results_below(folder: Path) -> list[Path]:
    """Return the `result.json` of `folder` itself, else those of its seeds, else those of its policies' seeds."""
    for pattern in (RESULT, f"{_SEED}*/{RESULT}", f"*/{_SEED}*/{RESULT}"):
        if found := list(folder.glob(pattern)):
            return found
    return []


def trial_folder(folder: Path, number: int) -> Path:
    """Return where the run folder of a search keeps a trial."""
    return folder / _TRIALS / str(number)


def trial_results(folder: Path) -> list[Path]:
    """Return the `result.json` of all trials' seeds in the run folder of a search."""
    return list(folder.glob(f"{_TRIALS}/*/{_SEED}*/{RESULT}"))


def is_trial(home: Path) -> bool:
    """Return whether a seed's parent folder is that of a trial, and not of a policy."""
    return home.parent.name == _TRIALS


def in_race(home: Path) -> bool:
    """Return whether a trial's folder is that of a run of the race."""
    return home.parent.parent.name == _RACE


def is_pilot(run: Path) -> bool:
    """Return whether a training's folder is that of a pilot run."""
    return run.parent.parent.parent.name == _PILOTS


def audit_folder(run: Path) -> Path:
    """Return where a training's folder keeps its audits."""
    return run / _AUDIT


def event_folder(run: Path, event: int) -> Path:
    """Return where a training's folder keeps the audit of an event, counted from 1."""
    return audit_folder(run) / f"{_EVENT}{event}"


def event_audits(folder: Path) -> list[Path]:
    """Return the files of all audited events in a run folder."""
    return list(folder.glob(f"*/{_SEED}*/{_AUDIT}/{_EVENT}*/{RESULTS}"))


def audit_summaries(folder: Path) -> list[Path]:
    """Return the files of all summaries over events in a run folder."""
    return list(folder.glob(f"*/{_SEED}*/{_AUDIT}/{SUMMARY}"))
