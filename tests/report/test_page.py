from __future__ import annotations

import json
import re
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import pytest

from growsearch.errors import InputError
from growsearch.report import write_report
from tests.report.tables import plain_tables

Make = Callable[..., Path]


def own_part(folder: Path) -> str:
    return plain_tables(write_report(folder).read_text())


def test_the_page_shows_verdict_table_and_failures(comparison: Make) -> None:
    text = own_part(comparison())

    assert "grown has the highest mean test accuracy: 61.00 % over 3 seeds" in text
    assert "No winner is called: with 3 seeds" in text
    assert re.search(r"grown</th><td>61.00 ± 1.00 %", text)
    assert "diverged &lt;at once&gt;" in text
    strips = re.findall(r'<svg class="strip".*?</svg>', text)
    assert [strip.count("<circle") for strip in strips] == [3, 3]


def test_the_verdict_is_a_sentence_with_its_numbers_in_a_table(comparison: Make) -> None:
    text = own_part(comparison(seeds=6))
    verdict = text[text.index('<div class="verdict">') :].partition("<details>")[0]

    said, _, sizes = verdict.partition("</div>")
    assert said == '<div class="verdict"><p class="headline">Use grown.</p>'
    row = '<th scope="row">\\d+ parameters</th><td>grown</td><td>62.50 %</td><td>grown \N{MINUS SIGN} small</td>'
    assert re.search(rf"{row}<td>\+10.00 points</td><td>\+10.00 to \+10.00</td><td>[\d.]+ ×</td>", sizes)


def test_the_verdict_comes_first_and_says_which_policy_to_use(comparison: Make) -> None:
    text = own_part(comparison(seeds=6))

    assert text.index("Use grown.") < text.index("<table")
    assert "grown reaches a test accuracy of 62.50&nbsp;%, 10.00 points higher than small on the same 6 seeds" in text


def test_every_rule_of_the_style_sheet_is_whole() -> None:
    """A browser passes over a rule that it cannot read, without a word."""
    sheet = re.sub(r"/\*.*?\*/", "", resources.files("growsearch.report").joinpath("style.css").read_text(), flags=re.S)

    assert sheet.count("{") == sheet.count("}")
    assert not re.findall(r"[^\s{};]+@\w+", sheet)


def test_the_best_policy_is_the_first_row(comparison: Make) -> None:
    text = own_part(comparison(names=("small", "a", "b")))

    table = text[text.index('<section id="results"') :].partition("</table>")[0]
    assert re.findall(r"</svg>(\w+)</th>", table) == ["b", "a", "small"]


def test_the_page_shows_how_sure_the_differences_are(comparison: Make) -> None:
    text = own_part(comparison(seeds=6))

    assert "Better than small on the same seeds: grown (+10.00 points, p = 0.031)." in text
    assert '<span class="better">+10.00 (p = 0.031), better</span>' in text
    assert re.search(
        r"<td>\+10.00 points</td><td>\+10.00 to \+10.00</td><td>0.031</td><td>0.031</td><td>6 of 6</td>"
        r'<td><span class="better">better</span></td>',
        text,
    )
    # The best final validation accuracy is 0.625: 95 % of it, 0.594, is beyond what `small` ever reaches.
    assert "Target: validation accuracy of 59.38 %" in text
    assert re.search(r"small</th>.*not on every seed</td><td></td><td>0 of 6</td>", text)


def test_curves_growth_and_styles_reach_the_script(comparison: Make) -> None:
    text = own_part(comparison())

    found = re.search(r'<script type="application/json" id="content">(.*?)</script>', text)
    assert found is not None
    policies = {policy["name"]: policy for policy in json.loads(found[1])["policies"]}
    assert policies["grown"]["x"]["epoch"][-1] == 4.0
    assert policies["grown"]["growth"]["widths"] == [[4, 6, 7]]
    assert policies["grown"]["growth"]["ratios"] == [[10, "0", 0.5], [20, "0", 0.5]]
    drawn = {tuple(policy["style"].values()) for policy in policies.values()}
    assert len({dash for _, dash, _ in drawn}) == len({symbol for _, _, symbol in drawn}) == 2


def test_sixty_long_runs_stay_small(comparison: Make) -> None:
    text = own_part(comparison(seeds=10, names=("small", "a", "b", "c", "d", "e"), steps=1000))

    assert len(text.encode()) < 2_500_000  # of which the charts are 2 MB


def test_runs_that_all_failed_still_give_a_page(comparison: Make) -> None:
    assert "No run has finished." in own_part(comparison(seeds=0))


def test_a_single_policy_has_its_result_and_no_differences(comparison: Make) -> None:
    text = own_part(comparison(names=("grown",)))

    assert "grown reaches a test accuracy of 51.00 % (mean of 3 seeds)." in text
    assert 'id="differences"' not in text


def test_a_folder_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"results\.json does not exist"):
        write_report(tmp_path)
