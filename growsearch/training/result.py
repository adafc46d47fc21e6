"""The result of a finished run, and which configuration it belongs to."""

from __future__ import annotations

import hashlib
import json
import warnings
from pathlib import Path

from growsearch.config import RunConfig
from growsearch.errors import DamageWarning
from growsearch.runs.reading import DamagedFile
from growsearch.runs.records import RunResult
from growsearch.runs.store import read_result, require_whole
from growsearch.training.architecture import Architecture


def finished_result(
    folder: Path, config: RunConfig, seed: int, architecture: Architecture | None = None
) -> RunResult | None:
    """Return the result of the finished run in `folder`; None where there is none, or one of another configuration.

    None also where the result or what belongs to it is damaged: a `DamageWarning` names the file, and the run is to be
    repeated.

    Args:
        folder: of the run, `RUN/POLICY/seed-K`.
        config: the configuration that it should have.
        seed: the seed that it should have.
        architecture: what it should begin with, where that is not the configuration's own network.
    """
    try:
        result = read_result(folder)
        if result is None or result.config != fingerprint(config, seed, architecture):
            return None
        require_whole(folder, result)
    except DamagedFile as error:
        warnings.warn(f"{error}; this run is repeated", DamageWarning, stacklevel=2)
        return None
    return result


def fingerprint(config: RunConfig, seed: int, architecture: Architecture | None = None) -> str:
    """Return what tells runs apart: equal for the same resolved configuration, seed and architecture to begin with."""
    beside = ("seeds", "policies", "reference", "controls", "tune", "search")
    resolved = {key: value for key, value in config.to_dict().items() if key not in beside}
    parts = [resolved, seed, *([architecture.key] if architecture else [])]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
