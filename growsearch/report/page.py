"""One self-contained HTML page for the folder of a comparison or a run."""

from __future__ import annotations

from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import Any

import yaml

from growsearch.comparison import read_results
from growsearch.comparison.metric import metric_of
from growsearch.report.advice import Advice, advise
from growsearch.report.audits import audit_section
from growsearch.report.control_section import control_section
from growsearch.report.costs import costs_table
from growsearch.report.curve_section import curve_section
from growsearch.report.curves import curves
from growsearch.report.differences import differences_html, pairs_table
from growsearch.report.growth import timeline
from growsearch.report.growth_section import growth_section
from growsearch.report.logs import median_run, read_logs
from growsearch.report.markup import details, table
from growsearch.report.policies import policy_section
from growsearch.report.provenance import about, failure_list, provenance, title_of
from growsearch.report.results_table import ranked, results_html
from growsearch.report.sizes import Choice
from growsearch.report.skeleton import Section, page, write_page
from growsearch.report.style import style_of
from growsearch.runs.layout import CONFIG, ENVIRONMENT, REPORT
from growsearch.runs.reading import read_json


def write_report(folder: Path, allow_import: bool = False, path: Path | None = None) -> Path:
    """Write the page from a folder's results and logs, by default as its `report.html`; it needs no other file.

    Networks that the user's own package makes are drawn with `allow_import` only: importing runs code. Raises
    `InputError` where the folder has no results.
    """
    results = read_results(folder)
    text = (folder / CONFIG).read_text()
    config, environment = yaml.safe_load(text), read_json(folder / ENVIRONMENT)
    rows, logs = ranked(results), read_logs(folder, results)
    names = [row.policy for row in rows]
    drawn = {name: curves(logs[name]) for name in names}
    advice, metric = advise(results, rows), metric_of(results["policies"])
    sections = [
        Section("verdict", "Verdict", _verdict(advice, results)),
        Section("results", "Results", results_html(results, rows, advice.policy)),
        Section("policies", "Policies", policy_section(config, results, names)),
        Section("differences", "Differences", _differences(results)),
        Section("controls", "Controls: was it worth growing?", control_section(metric, results)),
        Section("learning", "Learning curves", curve_section(drawn, rows)),
        Section("growth", "Growth", growth_section(logs, names, advice.policy, allow_import)),
        Section("audits", "Audit: what growth events were worth", audit_section(folder)),
        Section("costs", "Cost to a target", _costs(results, names)),
        Section("made", "How it was made", provenance(text, environment)),
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
        ]
    }
    said = about(folder.resolve().name, results, config, environment)
    made = page(title_of(results, config), said, sections, content, ("curves.js", "growth.js"))
    return write_page(path or folder / REPORT, made)


def _verdict(advice: Advice, results: dict[str, Any]) -> str:
    sizes = "".join(_choice(one) for one in advice.sizes)
    start = "Going by the means alone," if advice.undecided else "What to take,"
    listed = f"<p>{start} by the size of the network at the end:</p><dl>{sizes}</dl>" if sizes else ""
    reasons = "".join(f"<li>{_unbroken(reason)}</li>" for reason in advice.reasons)
    listed += f"<ul>{reasons}</ul>" if reasons else ""
    whole = details("The verdict in full", f"<p>{escape(results['verdict']['sentence'])}</p>") if reasons else ""
    headline = f'<p class="headline">{escape(advice.headline)}</p>' if reasons else f"<p>{escape(advice.headline)}</p>"
    return f'<div class="verdict">{headline}{listed}</div>{whole}{failure_list(results["failures"])}'


def _choice(one: Choice) -> str:
    policy = f"<strong>{escape(one.policy)}</strong>" if one.policy else ""
    return f"<dt>{escape(one.size)}</dt><dd>{policy}{_unbroken(one.words)}</dd>"


def _unbroken(text: str) -> str:
    """As HTML, with numbers and their per cent signs on one line."""
    return escape(text).replace(" %", "&nbsp;%")


def _differences(results: dict[str, Any]) -> str:
    """Against the reference, and all others closed at first."""
    verdict, metric = results["verdict"], metric_of(results["policies"])
    if not verdict["pairs"] or "reference" not in verdict:
        return ""
    others = pairs_table(metric, verdict)
    rest = details(f"{others.title} ({len(others.rows)})", table(others)) if others.rows else ""
    return f"{differences_html(metric, verdict)}{rest}"


def _costs(results: dict[str, Any], names: list[str]) -> str:
    if not results.get("trajectories"):
        return ""
    return table(costs_table(metric_of(results["policies"]), results, names))
