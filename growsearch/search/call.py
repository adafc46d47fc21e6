"""A search as one call: from a file or plain data to results."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from growsearch.arguments import path_of, require_mapping, require_whole
from growsearch.config import load_space
from growsearch.config.given import Given, as_file
from growsearch.search.records import SearchResults, read_search
from growsearch.search.run import search


def run_search(
    space: Given,
    folder: str | Path,
    *,
    budget: Mapping[str, float] | None = None,
    overrides: Sequence[str] = (),
    device: str = "auto",
    workers: int | None = None,
    quiet: bool = False,
    allow_import: bool = False,
    imports: Sequence[str | Path] = (),
) -> SearchResults:
    """Search the ranges of a file, as `growsearch search` does, and return what came out.

    `space` is a file, the name of a shipped file, or the content of a file as a mapping. What the folder holds
    of the same search is kept and gone on with. Where no trial can be chosen, `best` is empty and `failures` say why.
    Progress goes to standard error. More workers than this process need the `if __name__ == "__main__":` guard in a
    script.

    Args:
        space: what to search.
        folder: of the search: trials, results, report and the best trial as a file.
        budget: in place of the file's, race included: `{"trials": 20}`, `{"flops": 1e15}` or `{"hours": 2}`.
        overrides: `path.in.file=value`.
        device: "auto", "cpu" or "cuda".
        workers: trials at the same time; None for one a core, on CUDA one a GPU.
        quiet: whether progress is not shown.
        allow_import: whether the network may be any importable callable.
        imports: folders of older searches, whose trials a new one takes over.

    Raises:
        InputError: the space cannot be used, has no range, or an older search cannot be read; nothing has run then.
    """
    from growsearch.cli.search_table import SearchProgress
    from growsearch.report.search_page import write_search_report

    folder = path_of("folder", folder)
    if budget is not None:
        require_mapping("budget", budget, "{'trials': 20}")
    if workers is not None:
        require_whole("workers", workers, 1)
    given = [f"search.budget={json.dumps(dict(budget))}", "search.trials=null"] if budget is not None else []
    with as_file(space) as path:
        loaded = load_space(path, [*overrides, *given], allow_import=allow_import)
    with SearchProgress(folder.name, quiet) as progress:
        search(loaded, folder, device, workers, progress, imports=[Path(one) for one in imports])
    write_search_report(folder)
    return read_search(folder)
