"""The page by the rules of HTML and of those who read it without seeing it, or without a network."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from growsearch.report import write_report

VOID = frozenset({"meta", "input", "br"})
SHAPES = frozenset({"circle", "line", "path", "rect"})  # closed by themselves


class Page(HTMLParser):
    """What the checks need: balance, ids, references, headings, tables, scopes, labels."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None], tuple[str, ...]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attributes), tuple(self.open)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        assert tag in SHAPES
        self.seen.append((tag, dict(attributes), tuple(self.open)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def having(self, attribute: str) -> list[str]:
        return [value or "" for _, attributes, _ in self.seen if (value := attributes.get(attribute)) is not None]

    def tags(self, *names: str) -> list[tuple[str, dict[str, str | None]]]:
        return [(tag, attributes) for tag, attributes, _ in self.seen if tag in names]


@pytest.fixture
def text(comparison: Callable[..., Path]) -> str:
    folder = comparison(seeds=6, names=("small", "grown", "other"))
    return write_report(folder).read_text()


@pytest.fixture
def page(text: str) -> Page:
    return Page(text)


def test_all_elements_are_closed(page: Page) -> None:
    assert page.open == []


def test_ids_are_unique_and_every_reference_has_its_target(page: Page) -> None:
    ids = page.having("id")
    referred = [name for kind in ("aria-labelledby", "aria-describedby", "for") for name in page.having(kind)]
    referred += [target.removeprefix("#") for target in page.having("href")]

    assert [name for name, count in Counter(ids).items() if count > 1] == []
    assert set(referred) - set(ids) == set()


def test_nothing_is_asked_of_the_network(text: str, page: Page) -> None:
    assert "://" not in text
    assert page.having("src") == []
    assert all(target.startswith("#") for target in page.having("href"))
    assert "default-src 'none'" in text


def test_headings_are_in_order(page: Page) -> None:
    levels = [int(tag[1]) for tag, _ in page.tags("h1", "h2", "h3", "h4", "h5")]

    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(levels, levels[1:], strict=False))


def test_tables_have_captions_and_scopes(page: Page) -> None:
    assert len(page.tags("table")) == len(page.tags("caption")) > 3
    assert {attributes.get("scope") for _, attributes in page.tags("th")} == {"col", "row"}


def test_landmarks_and_the_link_that_skips_to_the_content(page: Page) -> None:
    assert [len(page.tags(name)) for name in ("header", "nav", "main")] == [1, 1, 1]
    first = next(attributes for tag, attributes, _ in page.seen if tag == "a")
    assert first == {"class": "skip", "href": "#main"}
    assert ("html", {"lang": "en"}) in page.tags("html")


def test_every_drawing_is_described_or_a_decoration(page: Page) -> None:
    drawn = [attributes for _, attributes in page.tags("svg")]
    drawn += [attributes for _, attributes in page.tags("div") if attributes.get("role") == "img"]

    assert [one for one in drawn if not one.get("aria-label") and one.get("aria-hidden") != "true"] == []


def test_every_control_has_a_label(page: Page) -> None:
    inputs = [(attributes, around) for tag, attributes, around in page.seen if tag in ("input", "select")]

    assert len(inputs) > 8
    labelled = set(page.having("for"))
    assert all(around[-1] == "label" or attributes.get("id") in labelled for attributes, around in inputs)


def test_every_chart_has_a_place_for_its_table(page: Page) -> None:
    charts = [attributes["id"] for _, attributes in page.tags("div") if attributes.get("role") == "img"]

    assert charts == ["curves", "widths", "ratios"]
    assert {f"{name}-table" for name in charts} <= set(page.having("id"))


def luminance(color: str) -> float:
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_stand_out_in_light_and_dark(text: str, scheme: str) -> None:
    """WCAG 2.2: 4.5 for text, 3 for lines and marks."""
    light, _, dark = text[text.index(":root") :].partition("@media (prefers-color-scheme: dark)")
    colors = dict(re.findall(r"--([\w-]+): (#\w{6})", light if scheme == "light" else dark[: dark.index("\n}")]))

    def contrast(name: str, ground: str) -> float:
        high, low = sorted((luminance(colors[name]), luminance(colors[ground])), reverse=True)
        return (high + 0.05) / (low + 0.05)

    read = ("text", "muted", "accent", "warning", "better")
    assert {(name, ground) for name in read for ground in ("page", "panel") if contrast(name, ground) < 4.5} == set()
    assert {name for name in (f"c{hue}" for hue in range(7)) if contrast(name, "page") < 3} == set()
    assert min(contrast("text", "ramp-low"), contrast("text", "ramp-high")) >= 4.5
