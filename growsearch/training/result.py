"""The result of a finished run, and which configuration it belongs to."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from growsearch.config import RunConfig
from growsearch.runs.records import RunResult
from growsearch.runs.store import read_result
from growsearch.training.architecture import Architecture


def finished_result(
    folder: Path, config: RunConfig, seed: int, architecture: Architecture | None = None
) -> RunResult | None:
    """Return the result of the finished run in `folder`; None where there is none, or one of another configuration.

    Args:
        folder: of the run, `RUN/POLICY/seed-K`.
        config: the configuration that it should have.
        seed: the seed that it should have.
        architecture: what it should begin with, where that is not the configuration's own network.
    """
    result = read_result(folder)
    return result if result is not None and result.config == fingerprint(config, seed, architecture) else None


def fingerprint(config: RunConfig, seed: int, architecture: Architecture | None = None) -> str:
    """Return what tells runs apart: equal for the same resolved configuration, seed and architecture to begin with."""
    beside = ("seeds", "policies", "reference", "controls", "tune", "search")
    resolved = {key: value for key, value in config.to_dict().items() if key not in beside}
    parts = [resolved, seed, *([architecture.key] if architecture else [])]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
