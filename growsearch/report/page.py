"""One self-contained HTML page for the folder of a comparison or a run."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from growsearch.comparison import ComparisonResults, read_results
from growsearch.report.audits import audit_section
from growsearch.report.control_section import control_section
from growsearch.report.costs import costs_table
from growsearch.report.curve_section import curve_section
from growsearch.report.curves import curves
from growsearch.report.differences import differences_html, pairs_table
from growsearch.report.envelope_section import envelope_content, envelope_section
from growsearch.report.growth import timeline
from growsearch.report.growth_section import growth_section
from growsearch.report.logs import median_run, read_logs
from growsearch.report.markup import details, stacked_table
from growsearch.report.policies import policy_section
from growsearch.report.provenance import about, failure_list, provenance, title_of
from growsearch.report.results_table import results_html
from growsearch.report.skeleton import PageSection, page, write_page
from growsearch.report.style import style_of
from growsearch.report.verdict import verdict_html
from growsearch.runs.layout import CONFIG, ENVIRONMENT, REPORT
from growsearch.runs.reading import read_json, read_yaml


def write_report(folder: Path, allow_import: bool = False, path: Path | None = None) -> Path:
    """Write the page from a folder's results and logs, by default as its `report.html`; it needs no other file.

    Networks that the user's own package makes are drawn with `allow_import` only: importing runs code. Raises
    `InputError` where the folder has no results.
    """
    results = read_results(folder)
    text = (folder / CONFIG).read_text()
    config, environment = read_yaml(folder / CONFIG), read_json(folder / ENVIRONMENT)
    rows, logs, advice = results.rows(), read_logs(folder, results), results.conclusions.advice
    names = [row.policy for row in rows]
    drawn = {name: curves(logs[name]) for name in names}
    sections = [
        PageSection("verdict", "Verdict", verdict_html(results.conclusions) + failure_list(results.failures)),
        PageSection("envelope", _envelope_title(results), envelope_section(results.conclusions)),
        PageSection("results", "Results", results_html(results)),
        PageSection("policies", "Policies", policy_section(config, results)),
        PageSection("differences", "Differences", _differences(results)),
        PageSection("controls", "Controls: was it worth growing?", control_section(results)),
        PageSection("learning", "Learning curves", curve_section(drawn, rows)),
        PageSection("growth", "Growth", growth_section(logs, names, advice.policy, allow_import)),
        PageSection("audits", "Audit: what growth events were worth", audit_section(folder)),
        PageSection("costs", "Cost to a target", _costs(results)),
        PageSection("made", "How it was made", provenance(text, environment)),
    ]
    content = {
        "policies": [
            {
                "name": name,
                "style": style_of(rank).plain(),
                **drawn[name],
                "growth": asdict(timeline(median_run(logs[name]))) if logs[name] else None,
            }
            for rank, name in enumerate(names)
        ],
        "envelopes": envelope_content(results.conclusions),
    }
    said = about(folder.resolve().name, results, config, environment)
    made = page(title_of(results, config), said, sections, content, ("curves.js", "envelope.js", "growth.js"))
    return write_page(path or folder / REPORT, made)


def _envelope_title(results: ComparisonResults) -> str:
    return "Should I grow?" if results.conclusions.should_grow else "Learning rates"


def _differences(results: ComparisonResults) -> str:
    """Against the reference, and all others closed at first."""
    found = results.conclusions
    if not found.pairs:
        return ""
    others = pairs_table(found)
    rest = details(f"{others.title} ({len(others.rows)})", stacked_table(others)) if others.rows else ""
    return f"{differences_html(found)}{rest}"


def _costs(results: ComparisonResults) -> str:
    shown = costs_table(results)
    return stacked_table(shown) if shown else ""
