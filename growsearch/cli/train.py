"""What `run`, `compare` and `resume` have in common: run everything in a folder, then show what came out."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from growsearch.cli.handling import FAILED, INTERRUPTED
from growsearch.cli.output import as_rich, emit, say, show
from growsearch.cli.progress import RunProgress


def default_folder(name: str) -> Path:
    """`runs/<file>-<time>`, with a number behind it where that exists."""
    stem = Path("runs") / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    folder, number = stem, 2
    while folder.exists():
        folder, number = stem.with_name(f"{stem.name}-{number}"), number + 1
    return folder


def train(
    run: Callable[[RunProgress], dict[str, Any]], folder: Path, allow_import: bool, as_json: bool, quiet: bool
) -> None:
    """Call `run` with a progress display, then print the table of its results and where the report is.

    Ends with exit code 3 where a run failed and 130 where it was interrupted: what is finished is kept.
    """
    try:
        with RunProgress(quiet=quiet) as progress:
            results = run(progress)
    except KeyboardInterrupt as interrupt:
        say(f"interrupted; what is finished is kept. Continue with: growsearch resume {folder}")
        raise typer.Exit(INTERRUPTED) from interrupt
    from growsearch.report import write_report  # when the training is done

    report = write_report(folder, allow_import)
    if as_json:
        emit({"folder": str(folder), "report": str(report), **results})
    elif not quiet:
        _show_results(results, report)
    failures = results.get("failures") or []
    for failure in failures:
        say(f"failed: {failure['policy']} seed {failure['seed']}: {failure['reason']}")
    if failures:
        say(f"{len(failures)} runs failed; the others are kept. Try those again with: growsearch resume {folder}")
        raise typer.Exit(FAILED)


def _show_results(results: dict[str, Any], report: Path) -> None:
    from growsearch.comparison import results_from
    from growsearch.report.control_section import controls_table
    from growsearch.report.envelope_section import envelope_table, tuning_table
    from growsearch.report.results_table import results_table
    from growsearch.report.verdict import control_lines, verdict_lines
    from growsearch.training.beginnings import spared_sentence

    found = results_from(results)
    shown, controls = found.conclusions, controls_table(found)
    others = [one for one in (controls, envelope_table(shown), tuning_table(shown)) if one.rows]
    show(as_rich(results_table(found)), *map(as_rich, others))
    saved = spared_sentence(results.get("spared"))
    show(*verdict_lines(shown), *control_lines(shown), *([saved] if saved else []), f"report: {report}")
