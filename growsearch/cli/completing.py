"""What a shell offers behind Tab, without importing what would take longer than typing it.

Where nothing matches, the shell goes on with files of its own accord.
"""

from __future__ import annotations

from pathlib import Path

from growsearch.registry import STRATEGY_GROUPS, names
from growsearch.runs.layout import is_run_folder
from growsearch.shipped import shipped_names


def files(incomplete: str) -> list[str]:
    """Offer shipped files, and YAML files of the folder that has been typed."""
    here = [path for path in _begun(incomplete) if path.endswith((".yaml", ".yml"))]
    return [*(name for name in shipped_names() if name.startswith(incomplete)), *here]


def files_and_runs(incomplete: str) -> list[str]:
    """Offer both."""
    return [*files(incomplete), *run_folders(incomplete)]


def run_folders(incomplete: str) -> list[str]:
    """Offer run folders in the folder that has been typed, and in `runs`, where commands put them."""
    found = _begun(incomplete) if incomplete.startswith("runs/") else [*_begun(incomplete), *_begun("runs/")]
    return [path for path in found if path.startswith(incomplete) and is_run_folder(Path(path))]


def strategy_names(incomplete: str) -> list[str]:
    """Offer installed strategies, also with their group before them."""
    every = {name for group in STRATEGY_GROUPS for one in names(group) for name in (one, f"{group}.{one}")}
    return sorted(name for name in every if name.startswith(incomplete))


def initializers(incomplete: str) -> list[str]:
    """Offer what `how` may be."""
    return _registered("how", incomplete)


def selectors(incomplete: str) -> list[str]:
    """Offer what `where` may be."""
    return _registered("where", incomplete)


def networks(incomplete: str) -> list[str]:
    """Offer networks that need no file."""
    return _registered("networks", incomplete)


def loggers(incomplete: str) -> list[str]:
    """Offer what `--log` takes."""
    return _registered("loggers", incomplete)


def _registered(group: str, incomplete: str) -> list[str]:
    return [name for name in names(group) if name.startswith(incomplete)]


def _begun(incomplete: str) -> list[str]:
    """The paths that begin so, as they would be typed."""
    folder, slash, start = incomplete.rpartition("/")
    try:
        inside = sorted(path.name for path in Path(folder or slash or ".").iterdir())
    except OSError:
        return []
    return [f"{folder}{slash}{name}" for name in inside if name.startswith(start)]
