from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from plotly.offline import get_plotlyjs

from growsearch.comparison import results_from
from growsearch.report import write_report, write_reports
from growsearch.report.verdict import verdict_lines
from tests.report.conftest import add_envelope
from tests.report.tables import plain_tables

Make = Callable[..., Path]


@pytest.fixture
def folder(comparison: Make) -> Path:
    """`grown` is by 0.1 more accurate than the fixed sizes, at every step."""
    made = comparison(seeds=6)
    add_envelope(made)
    return made


def own_part(folder: Path) -> str:
    return plain_tables(write_report(folder).read_text().replace(get_plotlyjs(), ""))


def test_page_and_terminal_give_the_same_answer_first(folder: Path) -> None:
    lines = verdict_lines(results_from(json.loads((folder / "results.json").read_text())).conclusions)
    text = own_part(folder)

    answer = "Should I grow? Yes, outright: grown ends above every fixed size with as many training FLOPs."
    assert lines[0] == answer
    assert text.index(answer) < text.index("Use grown.")
    assert lines[2].endswith(
        "At the same FLOPs on the way its mean validation accuracy is never worse than the best fixed size's."
    )
    assert re.search(
        r"grown</th><td>width 1 \(final\)</td><td>1</td><td>52.50 %</td><td>62.50 %</td><td>\+10.00 points</td>"
        r"<td>\+10.00 to \+10.00</td><td>better</td>",
        text,
    )


def test_the_curves_reach_the_script_with_their_caveat(folder: Path) -> None:
    text = own_part(folder)

    content = re.search(r'<script type="application/json" id="content">(.*?)</script>', text)
    assert content is not None
    [one] = json.loads(content[1])["envelopes"]
    # 40 steps of 100 FLOPs; at the end 0.625 against 0.525, at the first step a fortieth of that.
    assert (one["flops"][0], one["flops"][-1]) == (100, 4000)
    assert one["difference"][-1] == pytest.approx(0.1)
    assert [size["name"] for size in one["sizes"]] == ["the seed's size", "width 1 (final)"]
    assert one["envelope"] == one["sizes"][0]["values"]
    assert "the middle of a longer run, whose rate may not have decayed yet" in text


def test_learning_rates_are_shown_with_the_warning(folder: Path) -> None:
    text = own_part(folder)

    assert re.search(r"grown</th><td>0.4000</td><td></td><td>0.05 \(lowest\)</td>", text)
    assert text.count("Widen &lt;the grid&gt;.") == 2  # among the reasons, and below the table


def test_text_formats_have_both_tables(folder: Path) -> None:
    [path] = write_reports(folder, ["markdown"])

    text = path.read_text()
    assert "**Should I grow? Yes, outright" in text
    assert "| grown | width 1 (final) | 1 | 52.50 % | 62.50 % | +10.00 points |" in text
    assert "| grown | 0.4000 |" in text


def test_without_an_envelope_there_is_no_such_section(comparison: Make) -> None:
    text = own_part(comparison())

    assert 'id="envelope"' not in text and "Should I grow" not in text
