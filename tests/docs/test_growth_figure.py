"""The first picture is drawn from a real growth, and moves only for those who do not mind."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from docs.figures.growth import Film, film
from docs.figures.growth_svg import draw

FILE = Path(__file__).resolve().parents[2] / "docs" / "figures" / "growth.svg"
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def short() -> Film:
    return film(every=4)


@pytest.mark.parametrize("drawn", ["again", "as it is"])
def test_it_is_a_still_picture_that_css_moves(short: Film, drawn: str) -> None:
    text = draw(short) if drawn == "again" else FILE.read_text()
    picture = ElementTree.fromstring(text)

    assert len(picture.findall(f"{SVG}circle")) == 2 + 10 + 10 + 1
    assert len(picture.findall(f"{SVG}path[@class='w']")) == 2 * 10 + 10 * 10 + 10
    assert picture.get("role") == "img" and picture.findtext(f"{SVG}title") and picture.findtext(f"{SVG}desc")
    assert "prefers-reduced-motion: reduce" in text and "prefers-color-scheme: dark" in text
    assert "<script" not in text and "http" not in text.replace(SVG.strip("{}"), "")
    assert len(text) < 70_000


def test_growth_does_not_change_what_the_network_computes(short: Film) -> None:
    events = [moment.event for moment in short.moments if moment.event is not None]

    assert [event.widths["0"] for event in events] == [4, 6, 8, 10]
    assert all((event.output_change or 0.0) < 1e-5 for event in events)
