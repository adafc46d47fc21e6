"""Terminal and page show the same conclusions, and neither draws any."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from html import unescape
from pathlib import Path

import pytest

import growsearch.report
from growsearch.cli.output import as_rich, show
from growsearch.comparison import read_results, results_from
from growsearch.errors import InputError
from growsearch.report import write_report
from growsearch.report.results_table import results_table
from growsearch.report.verdict import verdict_lines

MODULES = sorted(Path(growsearch.report.__file__).parent.glob("*.py"))
DECIDING = {
    "growsearch.statistics",
    "growsearch.comparison.advice",
    "growsearch.comparison.benefit",
    "growsearch.comparison.sentence",
    "numpy",
    "scipy",
}
PAIRING = {"all_pairs", "paired", "tested_together", "conclude", "conclude_controls", "Differences"}


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_the_report_imports_nothing_that_decides(module: Path) -> None:
    for node in ast.walk(ast.parse(module.read_text())):
        imported = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        source = (node.module or "") if isinstance(node, ast.ImportFrom) else ""
        modules = {source, *(imported if isinstance(node, ast.Import) else [])}

        assert not any(name == one or name.startswith(f"{one}.") for name in modules for one in DECIDING)
        assert not PAIRING & set(imported)


def test_terminal_and_page_say_the_same(comparison: Callable[..., Path]) -> None:
    folder = comparison(seeds=6)
    found = read_results(folder).conclusions

    page = unescape(write_report(folder).read_text()).replace("\N{NO-BREAK SPACE}", " ")

    lines = verdict_lines(found)
    assert lines[0] == found.advice.headline and found.sentence not in " ".join(lines)  # which would say it twice
    assert all(reason in lines and reason in page for reason in found.advice.reasons)
    assert found.advice.headline in page and found.sentence in page


def test_tables_are_the_same_on_the_terminal(comparison: Callable[..., Path]) -> None:
    shown = results_table(read_results(comparison()))

    rich = as_rich(shown)

    assert [str(column.header) for column in rich.columns] == list(shown.titles)
    assert [list(map(str, column.cells)) for column in rich.columns] == [
        list(cells) for cells in zip(*shown.rows, strict=True)
    ]


def test_brackets_of_a_sentence_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    show("The file asks for it by controls: [small_equal_compute].")

    assert capsys.readouterr().out == "The file asks for it by controls: [small_equal_compute].\n"


def test_what_is_stored_is_shown_and_not_drawn_anew(comparison: Callable[..., Path]) -> None:
    folder = comparison(seeds=6)
    path = folder / "results.json"
    plain = json.loads(path.read_text())
    plain["verdict"]["advice"]["headline"] = "Use what is written here."
    path.write_text(json.dumps(plain))

    assert "Use what is written here." in write_report(folder).read_text()


def test_conclusions_that_were_never_stored_are_drawn_anew(comparison: Callable[..., Path]) -> None:
    folder = comparison(seeds=6)
    path = folder / "results.json"
    plain = json.loads(path.read_text())
    stored = read_results(folder)
    pairs = [{**pair, "call": pair.pop("direction")} for pair in plain["verdict"]["pairs"]]
    old = {key: plain["verdict"][key] for key in ("metric", "higher_is_better", "reference", "sentence")}
    path.write_text(json.dumps({**plain, "verdict": {**old, "pairs": pairs}}))

    assert read_results(folder) == stored


def test_recorded_results_of_before_can_be_reported() -> None:
    record = Path(__file__).parents[2] / "experiments" / "gradmax_table" / "results_wrn28_shorter_100.json"

    found = results_from(json.loads(record.read_text())["results"]).conclusions

    assert found.advice.headline == "Of the policies that grow, use firefly."
    assert found.controls.differences["gradmax"]["big"] is not None


def test_a_file_that_is_no_comparison_is_refused_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    for text in ("{}", "{", '{"policies": {}, "verdict": {"advice": {}}}'):
        path.write_text(text)
        with pytest.raises(InputError, match=r"results\.json: .*is damaged"):
            read_results(tmp_path)
