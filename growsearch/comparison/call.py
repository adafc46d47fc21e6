"""A comparison as one call: from a file or plain data to results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from growsearch.arguments import path_of, require_whole
from growsearch.comparison.compare import compare as run_policies
from growsearch.comparison.results import ComparisonResults, read_results
from growsearch.config import load_config
from growsearch.config.given import Given, as_file
from growsearch.errors import InputError


def compare(
    space: Given,
    folder: str | Path,
    *,
    overrides: Sequence[str] = (),
    seeds: int | None = None,
    device: str = "auto",
    workers: int = 1,
    quiet: bool = False,
    allow_import: bool = False,
) -> ComparisonResults:
    """Train every policy with every seed, as `growsearch compare` does, and return what came out.

    `space` is a file, the name of a shipped file, or the content of a file as a mapping. What the folder holds
    of the same comparison is kept and gone on with. Progress goes to standard error. More `workers` than this process
    need the `if __name__ == "__main__":` guard in a script.

    Args:
        space: what to compare.
        folder: of the run: results, checkpoints and logs.
        overrides: `path.in.file=value`.
        seeds: number of seeds in place of the file's.
        device: "auto", "cpu" or "cuda".
        workers: runs at the same time.
        quiet: whether progress is not shown.
        allow_import: whether the network may be any importable callable.

    Raises:
        InputError: the space cannot be used, or has no policies to compare; nothing has run then.
    """
    from growsearch.cli.progress import RunProgress

    require_whole("workers", workers, 1)
    folder = path_of("folder", folder)
    with as_file(space) as path:
        config = load_config(path, overrides, seeds, allow_import)
    if not config.policies:
        raise InputError(f"{config.path}: there are no policies to compare: add `policies: {{name: {{overrides}}}}`")
    with RunProgress(quiet=quiet) as progress:
        run_policies(config, folder, device, workers, progress)
    return read_results(folder)
