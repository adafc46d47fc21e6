"""The site builds without a warning, its links lead somewhere, and reading it takes no other host."""

from __future__ import annotations

import re
import subprocess
import sys
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

import growsearch
import growsearch.testing
from growsearch.config.describe import describe_strategy
from growsearch.registry import STRATEGY_GROUPS, names

for library in ("furo", "latex2mathml", "myst_parser", "sphinx"):
    pytest.importorskip(library)

ROOT = Path(__file__).resolve().parents[2]
LOADING = {"script": "src", "img": "src", "iframe": "src", "source": "src", "object": "data", "link": "href"}


class Page(HTMLParser):
    """The anchors of a page, where its links lead, and what it loads."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.text = path.read_text()
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = {name: value or "" for name, value in attrs}
        self.anchors.add(known.get("id", ""))
        if tag == "a" and "href" in known:
            self.links.append(known["href"])
        if LOADING.get(tag) in known:
            self.loads.append(known[LOADING[tag]])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs") / "site"
    command = [sys.executable, "-m", "docs.site.build", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path) for path in sorted(site.rglob("*.html"))}


def test_every_link_leads_to_a_page_and_a_place_in_it(pages: dict[Path, Page]) -> None:
    lost = []
    for path, page in pages.items():
        for link in page.links:
            target, _, anchor = unquote(link).partition("#")
            there = (path.parent / target).resolve() if target else path
            if re.match(r"\w+:", link):
                continue
            if not there.exists() or (anchor and there in pages and anchor not in pages[there].anchors):
                lost.append((path.name, link))
    assert len(pages) > 40 and lost == []


def test_nothing_is_loaded_from_another_host(site: Path, pages: dict[Path, Page]) -> None:
    away = re.compile(r"(\w+:)?//")
    assert [load for page in pages.values() for load in page.loads if away.match(load)] == []
    for sheet in site.rglob("*.css"):
        assert not re.search(r"""(url\(|@import\s+)["']?(https?:)?//""", sheet.read_text()), sheet


@pytest.mark.parametrize(("module", "page"), [(growsearch, "python"), (growsearch.testing, "testing")])
def test_every_public_name_is_in_the_reference(module: object, page: str, pages: dict[Path, Page], site: Path) -> None:
    reference = pages[site / "docs" / "_generated" / "reference" / f"{page}.html"]
    names = getattr(module, "__all__")  # noqa: B009  # of a module given as an object
    assert {f"{module.__name__}.{name}" for name in names} <= reference.anchors  # type: ignore[attr-defined]


def test_every_strategy_has_a_page_with_what_its_record_says(pages: dict[Path, Page], site: Path) -> None:
    for group in STRATEGY_GROUPS:
        for name in names(group):
            record = describe_strategy(group, name)
            if record["class"].startswith("growsearch_strategies."):
                text = unescape(pages[site / "docs" / "_generated" / "methods" / f"{group}_{name}.html"].text)
                assert record["class"] in text and all(f">{one['name']}<" in text for one in record["parameters"])
                assert group != "how" or "What it costs" in text


@pytest.mark.parametrize(("link", "code"), [("other.md", 0), ("other.md#nowhere", 1), ("missing.md", 1)])
def test_a_link_that_leads_nowhere_ends_the_build(link: str, code: int, tmp_path: Path) -> None:
    """Negative control, with the site's own settings over two small pages."""
    (tmp_path / "index.md").write_text(f"# Title\n\n[a link]({link})\n\n```{{toctree}}\nother\n```\n")
    (tmp_path / "other.md").write_text("# Other\n\n```math\nE = m c^2\n```\n")
    settings = {"root_doc": "index", "include_patterns": "*.md", "extensions": "myst_parser,docs.site.mathml"}
    command = [sys.executable, "-m", "sphinx", "-W", "-q", "-c", "docs/site", str(tmp_path), str(tmp_path / "out")]
    options = [part for name, value in settings.items() for part in ("-D", f"{name}={value}")]
    done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    assert code or "<math" in (tmp_path / "out" / "other.html").read_text()
