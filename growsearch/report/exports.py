"""The report of a finished folder in the form that is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from growsearch.comparison import read_results
from growsearch.comparison.metric import metric_of
from growsearch.errors import InputError
from growsearch.registry import nearest
from growsearch.report.advice import advise
from growsearch.report.control_section import beside_table, controls_table
from growsearch.report.costs import costs_table
from growsearch.report.differences import differences_table
from growsearch.report.growth import growth_table
from growsearch.report.latex import to_latex
from growsearch.report.logs import read_logs
from growsearch.report.markdown import to_markdown
from growsearch.report.page import write_report
from growsearch.report.provenance import title_of
from growsearch.report.results_table import ranked, results_table
from growsearch.report.spreadsheet import curves_csv, runs_csv
from growsearch.report.tables import Table
from growsearch.runs.files import write_atomically
from growsearch.runs.layout import CONFIG, REPORT, SEARCH
from growsearch.runs.reading import read_yaml


def write_reports(
    folder: Path, formats: Sequence[str], out: Path | None = None, allow_import: bool = False
) -> list[Path]:
    """Write the report of a run, a comparison or a search, by default beside its results; the files written.

    `formats` are of `FORMATS`; a search has the page only. Raises `InputError` where a format is unknown or the folder
    has no results.
    """
    unknown = [one for one in formats if one not in FORMATS]
    if unknown:
        raise InputError(f"unknown format {unknown[0]!r} (allowed {', '.join(FORMATS)}){nearest(unknown[0], FORMATS)}")
    searched = (folder / SEARCH).is_file()
    if searched and set(formats) != {"html"}:
        raise InputError(f"{folder} is a search, whose report is html only: for its trials as data see results.json")
    read_results(folder)
    place = out or folder
    place.mkdir(parents=True, exist_ok=True)
    if searched:
        from growsearch.report.search_page import write_search_report

        return [write_search_report(folder, place / REPORT)]
    return [path for one in dict.fromkeys(formats) for path in FORMATS[one](folder, place, allow_import)]


def report_tables(folder: Path, results: dict[str, Any]) -> list[Table]:
    """The tables that every text format has."""
    metric, rows = metric_of(results["policies"]), ranked(results)
    names = [row.policy for row in rows]
    tables = [results_table(rows)]
    if results["verdict"]["pairs"]:
        tables.append(differences_table(metric, results["verdict"]))
    tables += [one for one in (beside_table(metric, results), controls_table(metric, results)) if one.rows]
    if results.get("trajectories"):
        tables.append(costs_table(metric, results, names))
    grown = growth_table(read_logs(folder, results), names)
    return [*tables, grown] if grown.rows else tables


def _html(folder: Path, place: Path, allow_import: bool) -> list[Path]:
    return [write_report(folder, allow_import, place / REPORT)]


def _markdown(folder: Path, place: Path, _: bool) -> list[Path]:
    results = read_results(folder)
    advice = advise(results, ranked(results))
    title = title_of(results, read_yaml(folder / CONFIG))
    verdict = [advice.headline]
    if advice.reasons:
        sizes = "\n".join(f"- {one.text()}" for one in advice.sizes)
        verdict = [f"**{advice.headline}**", sizes, " ".join(advice.reasons)]
    return [_write(place / "report.md", to_markdown(title, verdict, report_tables(folder, results)))]


def _latex(folder: Path, place: Path, _: bool) -> list[Path]:
    return [_write(place / "report.tex", to_latex(report_tables(folder, read_results(folder))))]


def _csv(folder: Path, place: Path, _: bool) -> list[Path]:
    results = read_results(folder)
    runs = _write(place / "runs.csv", runs_csv(results))
    return [runs, _write(place / "curves.csv", curves_csv(read_logs(folder, results)))]


def _write(path: Path, text: str) -> Path:
    write_atomically(path, lambda file: file.write(text.encode()))
    return path


FORMATS: dict[str, Callable[[Path, Path, bool], list[Path]]] = {
    "html": _html,
    "markdown": _markdown,
    "latex": _latex,
    "csv": _csv,
}
