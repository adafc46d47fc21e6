"""What a finished command has left, without what depends on the clock, for a comparison bit for bit."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

TIMED = ("seconds", "growth_seconds")
LOGS = ("metrics.jsonl", "growth.jsonl", "recoveries.jsonl")


def of_folder(folder: Path) -> dict[str, list[str]]:
    """The trainings in a run folder: by policy and seed, or by what a trial tried, the digests of all that it is.

    More than one digest: it was trained more than once.
    """
    if (folder / "search.json").exists():
        return _of_search(folder)
    return {str(path.parent.relative_to(folder)): [digest(path.parent)] for path in folder.glob("*/seed-*/result.json")}


def _of_search(folder: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for trial in json.loads((folder / "results.json").read_text())["trials"]:
        if trial["state"] == "complete" and "duplicate_of" not in trial:
            measured = json.dumps(without_times(trial["measures"]), sort_keys=True)
            digests = [digest(path.parent) for path in sorted((folder / trial["folder"]).glob("seed-*/result.json"))]
            found.setdefault(json.dumps(trial["parameters"], sort_keys=True), []).append(f"{measured} {digests}")
    return found


def digest(run: Path) -> str:
    """One digest of a training: its result, its rows and events, its description and every bit of its weights."""
    content = hashlib.sha256()
    result = json.loads((run / "result.json").read_text())
    content.update(json.dumps(without_times(result), sort_keys=True).encode())
    for name in LOGS:
        lines = (run / name).read_text().splitlines() if (run / name).exists() else []
        content.update(json.dumps([without_times(json.loads(line)) for line in lines], sort_keys=True).encode())
    for name in ("network.json", "model.safetensors"):
        content.update((run / name).read_bytes())
    return content.hexdigest()


def without_times(plain: Any) -> Any:
    """Plain data without seconds."""
    if isinstance(plain, Mapping):
        return {key: without_times(value) for key, value in plain.items() if key not in TIMED}
    return [without_times(value) for value in plain] if isinstance(plain, list) else plain


def differences(found: Mapping[str, list[str]], expected: Mapping[str, list[str]]) -> Counter[str]:
    """How many trainings are lost, doubled and unequal beside an undisturbed command's."""
    told: Counter[str] = Counter(lost=0, doubled=0, unequal=0)
    for name in {*found, *expected}:
        here = found.get(name, [])
        told["lost"] += not here
        told["doubled"] += len(here) > 1 or name not in expected
        told["unequal"] += name in expected and any(one not in expected[name] for one in here)
    return told
