"""The pictures of the concepts are drawn from real growths, and stand as they are drawn."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from docs.figures.concepts import HERE, trained, widened
from docs.figures.concepts_svg import policy_svg, site_svg, transaction_svg

SVG = "{http://www.w3.org/2000/svg}"


def squares(text: str, kind: str) -> int:
    return sum(kind in (each.get("class") or "").split() for each in ElementTree.fromstring(text).findall(f"{SVG}rect"))


def test_a_site_is_drawn_with_all_of_its_weights_and_what_is_new_in_green() -> None:
    growth = widened()
    text = site_svg(growth.event, growth.before, growth.after)

    old, new = 4 * 5 + 4 + 3 * 4, 2 * 5 + 2 + 3 * 2
    for drawn in (text, (HERE / "site.svg").read_text()):
        assert (squares(drawn, "old"), squares(drawn, "new")) == (2 * old, new)
    assert not growth.after["2.weight"][:, 4:].any() and growth.after["0.weight"][4:].any()
    assert (growth.event.output_change or 0.0) < 1e-6


def test_a_policy_is_drawn_with_its_moments_and_the_units_of_each() -> None:
    training = trained(steps=24)
    text = policy_svg(training.losses, training.events, training.widths)

    assert [event.step for event in training.events] == [4, 8, 12, 16]
    for drawn in (text, (HERE / "policy.svg").read_text()):
        assert drawn.count('class="event"') == 4 and squares(drawn, "new") == 16


@pytest.mark.parametrize("name", ["site.svg", "policy.svg", "transaction.svg"])
def test_a_picture_says_what_it_shows_and_follows_the_readers_colours(name: str) -> None:
    text = (Path(HERE) / name).read_text()
    picture = ElementTree.fromstring(text)

    assert picture.get("role") == "img" and picture.findtext(f"{SVG}title") and picture.findtext(f"{SVG}desc")
    assert "prefers-color-scheme: dark" in text and "http" not in text.replace(SVG.strip("{}"), "")
    assert name in (HERE.parent / "concepts.md").read_text()


def test_the_way_of_an_event_is_drawn_as_it_is() -> None:
    assert transaction_svg() == (HERE / "transaction.svg").read_text()
