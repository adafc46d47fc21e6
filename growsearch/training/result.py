"""The result of a finished run, and which configuration it belongs to."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from growsearch.config import RunConfig
from growsearch.runs.layout import RESULT
from growsearch.training.architecture import Architecture


def finished_result(
    folder: Path, config: RunConfig, seed: int, architecture: Architecture | None = None
) -> dict[str, Any] | None:
    """The result of the finished run in `folder`; None where there is none, or one of another configuration."""
    path = folder / RESULT
    if not path.exists():
        return None
    result: dict[str, Any] = json.loads(path.read_text())
    return result if result["config"] == fingerprint(config, seed, architecture) else None


def fingerprint(config: RunConfig, seed: int, architecture: Architecture | None = None) -> str:
    """Tells runs apart: equal for the same resolved configuration, seed and architecture to begin with."""
    beside = ("seeds", "policies", "reference", "controls", "search")
    resolved = {key: value for key, value in config.to_dict().items() if key not in beside}
    parts = [resolved, seed, *([architecture.key] if architecture else [])]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
