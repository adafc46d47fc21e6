from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from growsearch.cli import app
from growsearch.comparison.conclusions import conclude
from growsearch.comparison.control_differences import ControlRuns, Found
from growsearch.comparison.controls import Control
from growsearch.errors import InputError
from growsearch.report import write_reports
from growsearch.report.latex import escape

Make = Callable[..., Path]


def add_control(folder: Path) -> None:
    """`grown, retrained`, as `controls: [retrained]` leaves it."""
    results = json.loads((folder / "results.json").read_text())
    rows = results["policies"]["small"]
    control = Control("grown, retrained", "retrained", "grown", "grown")
    results["controls"] = {control.name: {**control.plain(), **rows}}
    found: Found = {"grown": {"retrained": control.name, "random": None}}
    controls = ControlRuns((control,), {control.name: rows}, found)
    results["verdict"] = conclude(results["policies"], controls=controls).plain()
    (folder / "results.json").write_text(json.dumps(results))


def test_markdown_has_the_verdict_and_the_tables(comparison: Make) -> None:
    [path] = write_reports(comparison(seeds=6), ["markdown"])

    text = path.read_text()
    assert path.name == "report.md"
    assert text.startswith("# 2 policies on digits, network mlp\n\n**Use grown.**\n\nWhat to take, by")
    assert "\n\ngrown reaches a test accuracy of" in text
    assert "| grown | 62.50 ± 1.87 % | +10.00 (p = 0.031) |" in text
    assert "| grown | +10.00 points | +10.00 to +10.00 | 0.031 | 0.031 | 6 of 6 | better |" in text
    widths = {line.count("|") for line in text.partition("## Differences")[0].splitlines() if line.startswith("|")}
    assert len(widths) == 1


def test_latex_tables_use_booktabs_and_escape_what_is_special(comparison: Make) -> None:
    [path] = write_reports(comparison(seeds=6, names=("small", "a_b")), ["latex"])

    text = path.read_text()
    assert path.name == "report.tex"
    assert r"a\_b & 62.50 $\pm$ 1.87 \% & +10.00 (p = 0.031) &" in text
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == text.count(r"\toprule") == 4
    assert text.isascii()
    assert escape(r"\x{1}~^") == r"\textbackslash{}x\{1\}\textasciitilde{}\textasciicircum{}"


def test_csv_has_every_run_and_every_row(comparison: Make, tmp_path: Path) -> None:
    runs, curves = write_reports(comparison(), ["csv"], tmp_path / "elsewhere")

    assert (runs.parent, runs.name, curves.name) == (tmp_path / "elsewhere", "runs.csv", "curves.csv")
    with runs.open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["policy"], row["seed"]) for row in rows][:4] == [
        ("small", "0"),
        ("small", "1"),
        ("small", "2"),
        ("grown", "0"),
    ]
    assert rows[3]["test_accuracy"] == "0.6" and json.loads(rows[3]["widths"]) == {"0": 7, "2": 8}
    with curves.open() as file:
        points = list(csv.DictReader(file))
    assert len(points) == 2 * 3 * 40
    assert (points[-1]["policy"], points[-1]["step"], points[-1]["epoch"]) == ("grown", "40", "4.0")


def test_controls_are_in_the_page_the_tables_and_the_data(comparison: Make) -> None:
    folder = comparison(seeds=6)
    add_control(folder)

    page, markdown, runs, _ = write_reports(folder, ["html", "markdown", "csv"])

    text = page.read_text()
    assert text.count("the same architecture trained from scratch 52.50") == 2  # verdict and section
    assert "Lacking, of the five controls of growth: random growth" in text
    assert "| grown, retrained | 52.50 ± 1.87 % | 1 | 1 | grown | +10.00 points |" in markdown.read_text()
    assert '"grown, retrained",5,' in runs.read_text()


def test_unknown_formats_are_refused_with_the_allowed_ones(comparison: Make) -> None:
    with pytest.raises(InputError, match=r"unknown format 'latx' \(allowed html, markdown, latex, csv\).*latex"):
        write_reports(comparison(), ["latx"])


def test_a_search_has_its_page_and_its_trials_only(comparison: Make) -> None:
    folder = comparison()
    (folder / "search.json").write_text("{}")

    with pytest.raises(InputError, match="is a search, whose report is html or csv"):
        write_reports(folder, ["html", "latex"])


def test_the_command_writes_what_is_asked_for(comparison: Make) -> None:
    folder = comparison()

    done = CliRunner().invoke(app, ["report", str(folder), "--format", "html", "--format", "csv", "--json"])

    assert done.exit_code == 0
    files = json.loads(done.stdout)["files"]
    assert [Path(path).name for path in files] == ["report.html", "runs.csv", "curves.csv"]
    assert all(Path(path).is_file() for path in files)


def test_the_command_says_what_is_wrong(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["report", str(tmp_path)])

    assert done.exit_code == 2
    assert "results.json does not exist" in done.stderr
