"""The page in a real browser: without a network, without errors, with its charts and their tables."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from growsearch.report import write_report
from tests.report.conftest import add_envelope

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--v=0",
    "--virtual-time-budget=8000",
    "--window-size=1280,2000",
]
# What a reader does, and what the browser then knows of itself, written into the page.
PROBE = """<script>
document.addEventListener("drawn", () => {{
  {action}
  setTimeout(() => {{ document.body.dataset.requests = performance.getEntriesByType("resource").length; }}, 50);
}});
</script></body>"""

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")

Open = Callable[..., str]


@pytest.fixture
def opened(comparison: Callable[..., Path], tmp_path: Path) -> Open:
    """Opens the report in the browser, with a script run behind its own; the page as it then is."""

    def open_page(action: str = "", *flags: str, prepare: Callable[[Path], None] = lambda folder: None) -> str:
        folder = comparison(seeds=6, names=("small", "grown", "other"))
        prepare(folder)
        page = write_report(folder).read_text()
        page = page.replace("</body>", PROBE.format(action=action))
        path = tmp_path / "page.html"
        path.write_text(page)
        command = [str(CHROMIUM), *FLAGS, *flags, f"--user-data-dir={tmp_path / 'browser'}", "--dump-dom", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []
        return done.stdout

    return open_page


def between(text: str, start: str, end: str) -> str:
    return text[text.index(start) :].partition(end)[0]


def test_charts_are_drawn_without_errors_and_requests(opened: Open) -> None:
    page = opened()

    assert 'data-requests="0"' in page
    curves = between(page, '<div id="curves"', 'id="curves-note"')
    assert curves.count('class="trace scatter') == 3 * 4 - 1  # band, line, marks, growth, which `small` has none of
    assert "stroke-dasharray" in curves
    table = between(page, 'id="curves-table"', "</details>")
    # `other` ends at 0.7 with its first seed and 0.01 more with each of the next five.
    assert re.search(r'<th scope="row">other</th>.*<td>72.50 % at 4K</td>', table)
    widths = between(page, 'id="widths-table"', "</details>")
    assert re.search(r"<th scope=\"row\">0</th><td>4</td><td>6</td><td>7</td>", widths)


def test_choices_change_the_charts(opened: Open) -> None:
    page = opened(
        'document.querySelector("button[data-shown=none]").click();'
        'document.querySelector("input[name=shown][value=grown]").click();'
        'document.querySelector("input[name=axis][value=epoch]").click();'
        'document.querySelector("input[name=metric][value=train_loss]").click();'
        'document.getElementById("grown-policy").value = "grown";'
        'document.getElementById("grown-policy").dispatchEvent(new Event("change"));'
    )

    assert 'aria-label="training loss against epochs, of grown"' in page
    assert between(page, 'id="curves-table"', "</details>").count('scope="row"') == 1
    assert '<div class="per-policy" data-policy="grown">' in page
    assert '<div class="per-policy" data-policy="other" hidden="">' in page


def test_on_a_telephone_tables_with_a_row_for_each_policy_are_lists_that_do_not_scroll_sideways(opened: Open) -> None:
    def with_policies(folder: Path) -> None:
        file, own = folder / "config.yaml", "{when: {interval: {every: 5}}, how: random, budget: {width: 2}}"
        file.write_text(f"{file.read_text()}policies: {{small: {{}}, grown: {{growth: {own}}}, other: {{}}}}\n")

    measure = (
        "document.body.style.width = '390px';"  # a window of Chromium is no narrower than 500
        "const wide = [...document.querySelectorAll('.stack .wide')];"
        "const beyond = wide.map(one => one.scrollWidth - one.clientWidth);"
        "document.body.dataset.stacked = [document.body.offsetWidth, wide.length, ...beyond];"
    )

    page = opened(measure, "--window-size=500,1600", prepare=with_policies)

    assert re.findall(r"data-stacked=\"([\d,]+)\"", page) == ["390,7" + 7 * ",0"]


def test_fixed_sizes_and_their_envelope_are_drawn_with_a_table(opened: Open) -> None:
    page = opened(prepare=add_envelope)

    chart = between(page, '<div id="envelope-curves"', 'id="envelope-curves-note"')
    assert chart.count('class="trace scatter') == 1 + 2 * 2 + 1 + 2  # what is between, sizes, envelope, policy
    assert "best fixed size at each moment" in chart
    table = between(page, 'id="envelope-curves-table"', "</details>")
    assert re.search(r'<th scope="row">grown minus it</th>.*<td>\+10.00 points</td>', table)


@pytest.mark.parametrize(("scheme", "ink"), [("1", "rgb(27, 31, 36)"), ("0", "rgb(232, 235, 239)")])
def test_charts_have_the_colours_of_the_scheme(opened: Open, scheme: str, ink: str) -> None:
    report = 'document.body.dataset.ink = document.querySelector("#curves .xtitle").style.fill;'

    page = opened(report, f"--blink-settings=preferredColorScheme={scheme}")

    assert f'data-ink="{ink}"' in page
