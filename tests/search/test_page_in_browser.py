"""The page of a search in a real browser."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from growsearch.report.search_page import write_search_report
from tests.search.conftest import RunStub

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--v=0"]
DARK = ["--virtual-time-budget=8000", "--blink-settings=preferredColorScheme=0"]
WIDTH = "network.width={type: float, low: 0.5, high: 2.0}"
ODD = ["training.batch_size={type: choice, values: [16, 32]}"]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")


@pytest.mark.parametrize(("wide", "columns"), [(1280, 2), (500, 1)])
def test_slices_stand_side_by_side_where_there_is_room_and_all_is_in_the_colours_of_the_page(
    run_stub: RunStub, tmp_path: Path, wide: int, columns: int
) -> None:
    run_stub("search={budget: {trials: 20}}", WIDTH, *ODD[: 2 - columns])
    page = write_search_report(tmp_path / "run")

    command = [str(CHROMIUM), *FLAGS, *DARK, f"--user-data-dir={tmp_path / 'browser'}", f"--window-size={wide},2000"]
    done = subprocess.run([*command, "--dump-dom", str(page)], capture_output=True, text=True, timeout=120, check=True)

    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []
    chart = done.stdout[done.stdout.index('<div id="slices"') :].partition('class="note"')[0]
    grounds = re.findall(r'<rect class="bg" x="([\d.]+)" y="([\d.]+)"', chart)
    assert len(grounds) >= 4
    assert len({x for x, _ in grounds}) == columns
    assert len({y for _, y in grounds}) == -(-len(grounds) // columns)
    [height] = re.findall(r'id="slices" class="[^"]*" [^>]*height: (\d+)px', done.stdout)
    assert float(max(grounds, key=lambda one: float(one[1]))[1]) < float(height)
    assert columns > 1 or int(height) == 240 * len(grounds) and len(grounds) % 2  # no room for one that is not there
    assert "fill: rgb(86, 168, 238)" in chart  # of the dark scheme
    bars = done.stdout[done.stdout.index('<div id="importance-0"') :].partition('class="note"')[0]
    assert "stroke: rgb(167, 177, 189)" in bars
