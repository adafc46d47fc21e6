"""The report of a finished folder in the form that is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from growsearch.comparison import ComparisonResults, read_results
from growsearch.errors import InputError
from growsearch.registry import nearest
from growsearch.report.control_section import control_differences_table, controls_table
from growsearch.report.costs import costs_table
from growsearch.report.differences import differences_table
from growsearch.report.envelope_section import envelope_table, tuning_table
from growsearch.report.growth import growth_table
from growsearch.report.latex import to_latex
from growsearch.report.logs import read_logs
from growsearch.report.markdown import to_markdown
from growsearch.report.page import write_report
from growsearch.report.provenance import title_of
from growsearch.report.results_table import results_table
from growsearch.report.spreadsheet import curves_csv, runs_csv, trials_csv
from growsearch.report.tables import Table
from growsearch.report.verdict import verdict_lines
from growsearch.runs.files import write_atomically
from growsearch.runs.layout import CONFIG, REPORT, RESULTS, SEARCH
from growsearch.runs.reading import read_yaml
from growsearch.writing import make_folder


def write_reports(
    folder: Path, formats: Sequence[str], out: Path | None = None, allow_import: bool = False
) -> list[Path]:
    """Write the report of a run, a comparison or a search, by default beside its results; the files written.

    `formats` are of `FORMATS`; a search has the page, also while it runs, and its trials as
    csv. Raises `InputError` where a format is unknown, the
    folder has no results, or `out` cannot be written.

    Args:
        folder: of the run.
        formats: names.
        out: where they go; None: beside the results.
        allow_import: whether a network named by import path may be imported.
    """
    unknown = [one for one in formats if one not in FORMATS]
    if unknown:
        raise InputError(f"unknown format {unknown[0]!r} (allowed {', '.join(FORMATS)}){nearest(unknown[0], FORMATS)}")
    searched = (folder / SEARCH).is_file()
    if searched and not set(formats) <= {"html", "csv"}:
        raise InputError(f"{folder} is a search, whose report is html or csv (found {', '.join(formats)})")
    if not searched and not (folder / RESULTS).is_file():
        raise InputError(f"{folder / RESULTS} does not exist: name the folder of a comparison, a run or a search")
    target = out or folder
    make_folder(target)
    if searched:
        return [_of_search(one, folder, target) for one in dict.fromkeys(formats)]
    return [path for one in dict.fromkeys(formats) for path in FORMATS[one](folder, target, allow_import)]


def _of_search(kind: str, folder: Path, target: Path) -> Path:
    from growsearch.report.search_page import write_search_report
    from growsearch.search.results import results_of
    from growsearch.search.run import open_folder

    if kind == "html":
        return write_search_report(folder, target / REPORT)
    return _write(target / "trials.csv", trials_csv(results_of(open_folder(folder))))


def report_tables(folder: Path, results: ComparisonResults) -> list[Table]:
    """Return the tables that every text format has."""
    names = [row.policy for row in results.rows()]
    tables = [
        results_table(results),
        envelope_table(results.conclusions),
        tuning_table(results.conclusions),
        differences_table(results.conclusions),
        control_differences_table(results),
        controls_table(results),
        costs_table(results),
        growth_table(read_logs(folder, results), names),
    ]
    return [table for table in tables if table is not None and table.rows]


def _html(folder: Path, target: Path, allow_import: bool) -> list[Path]:
    return [write_report(folder, allow_import, target / REPORT)]


def _markdown(folder: Path, target: Path, _: bool) -> list[Path]:
    results = read_results(folder)
    title = title_of(results, read_yaml(folder / CONFIG))
    headline, *others = verdict_lines(results.conclusions)
    verdict = [f"**{headline}**" if others else headline, *others]
    return [_write(target / "report.md", to_markdown(title, verdict, report_tables(folder, results)))]


def _latex(folder: Path, target: Path, _: bool) -> list[Path]:
    return [_write(target / "report.tex", to_latex(report_tables(folder, read_results(folder))))]


def _csv(folder: Path, target: Path, _: bool) -> list[Path]:
    results = read_results(folder)
    runs = _write(target / "runs.csv", runs_csv(results))
    return [runs, _write(target / "curves.csv", curves_csv(read_logs(folder, results)))]


def _write(path: Path, text: str) -> Path:
    write_atomically(path, lambda file: file.write(text.encode()))
    return path


FORMATS: dict[str, Callable[[Path, Path, bool], list[Path]]] = {
    "html": _html,
    "markdown": _markdown,
    "latex": _latex,
    "csv": _csv,
}
