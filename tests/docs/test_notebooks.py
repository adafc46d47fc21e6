"""Every notebook of the gallery runs as it stands, begins with its question, and shows something."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs.site.notebooks import FOLDER, run

NOTEBOOKS = sorted(FOLDER.glob("*.py"))
NEEDS = {"lightning_training": "lightning", "search_to_frame": "pandas"}  # of the site's own environment


@pytest.mark.filterwarnings("ignore")  # of other libraries
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path) -> None:
    if path.stem in NEEDS:
        pytest.importorskip(NEEDS[path.stem])
    cells = run(path)

    assert cells[0].prose and cells[0].text.startswith("# ") and "?" in cells[0].text.splitlines()[0]
    assert any(cell.printed or cell.shown for cell in cells)


def test_the_gallery_is_a_gallery() -> None:
    assert len(NOTEBOOKS) >= 10 and NEEDS.keys() <= {path.stem for path in NOTEBOOKS}


def test_a_cell_shows_what_it_prints_and_what_its_last_line_is(tmp_path: Path) -> None:
    path = tmp_path / "one.py"
    path.write_text("# %% [markdown]\n# # Why?\n\n# %%\nprint('said')\n1 + 1\n\n# %%\nx = 1\n")

    told, code, silent = run(path)

    assert (told.prose, told.text) == (True, "# Why?")
    assert (code.printed, code.shown) == ("said\n", "```text\n2\n```")
    assert (silent.printed, silent.shown) == ("", "")
