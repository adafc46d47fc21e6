"""What the documentation shows is true: snippets run, files validate, commands exist, links lead somewhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from growsearch import registry
from growsearch.cli import app
from growsearch.config import load_space
from growsearch.registry import STRATEGY_GROUPS, lookup, names

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")] + sorted(ROOT.glob("docs/*.md"))
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")


def blocks(page: Path, language: str) -> list[str]:
    return [body for found, body in FENCE.findall(page.read_text()) if found == language]


def page_id(page: Path) -> str:
    return str(page.relative_to(ROOT))


def with_blocks(language: str) -> list[Path]:
    return [page for page in PAGES if blocks(page, language)]


@pytest.mark.parametrize("page", with_blocks("python"), ids=page_id)
def test_python_snippets_run_one_after_the_other(page: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    scope: dict[str, Any] = {"__name__": f"docs_{page.stem.replace('-', '_')}"}
    for snippet in blocks(page, "python"):
        exec(compile(snippet, str(page), "exec"), scope)


def whole_files() -> list[Any]:
    found = [(page, index, text) for page in PAGES for index, text in enumerate(blocks(page, "yaml"))]
    return [
        pytest.param(text, id=f"{page_id(page)}-{index}")
        for page, index, text in found
        if {"data", "network", "training"} <= set(yaml.safe_load(text))
    ]


@pytest.mark.parametrize("text", whole_files())
def test_yaml_snippets_that_are_whole_files_validate(text: str, tmp_path: Path) -> None:
    path = tmp_path / "snippet.yaml"
    path.write_text(text)

    load_space(path)


def shown_commands() -> list[Any]:
    lines = [(page, line) for page in PAGES for block in blocks(page, "console") for line in block.splitlines()]
    found = [(page, line.partition("growsearch ")[2]) for page, line in lines if "growsearch " in line]
    return [pytest.param(command, id=f"{page_id(page)}-{command[:40]}") for page, command in found]


@pytest.mark.parametrize("line", shown_commands())
def test_commands_that_are_shown_exist_with_their_options(line: str) -> None:
    words = shlex.split(line, comments=True)
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]  # a group of commands

    assert words[0] in commands
    known = {option for parameter in commands[words[0]].params for option in parameter.opts}
    assert {word for word in words if word.startswith("-")} <= known | {"--help"}


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_relative_links_resolve(page: Path) -> None:
    for link in LINK.findall(page.read_text()):
        if "://" in link:
            continue
        target, _, anchor = link.partition("#")
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), link
        assert not anchor or anchor in anchors(path), link


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_readme_opens_with_the_two_commands() -> None:
    block = blocks(ROOT / "README.md", "console")[0]

    assert block == "pip install uv && uv run growsearch compare quickstart\npip install uv && uv run pytest\n"


@pytest.mark.parametrize("group", STRATEGY_GROUPS)
def test_every_strategy_and_every_parameter_is_documented(group: str) -> None:
    page = (ROOT / "docs" / "strategies.md").read_text()
    readme = (ROOT / "README.md").read_text()
    for name in names(group):
        strategy: Any = lookup(group, name)
        if not strategy.__module__.startswith("growsearch_strategies."):
            continue
        assert f"| `{name}` |" in readme
        section = page.partition(f"### {group}: `{name}`")[2].partition("\n### ")[0]
        assert section, name
        missing = [field for field in strategy.model_fields if not re.search(rf"`{field}[`:]", section)]
        assert not missing, name


def test_every_layer_and_data_set_is_documented() -> None:
    from growsearch.networks.layers import LAYERS

    page = (ROOT / "docs" / "files.md").read_text()

    assert [name for name in [*LAYERS, *names("networks"), *names("data")] if f"`{name}`" not in page] == []


def test_the_plug_in_of_the_guide_is_found_by_its_entry_point(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    guide = ROOT / "docs" / "strategies.md"
    [toml] = blocks(guide, "toml")
    [module] = [snippet for snippet in blocks(guide, "python") if "(Initializer)" in snippet]
    [(group, name, target)] = re.findall(r'entry-points\."(\S+)"\]\n(\w+) = "(\S+)"', toml)
    file = target.partition(":")[0]
    (tmp_path / f"{file}.py").write_text(module)
    installed = tmp_path / "plug_in-0.1.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: plug-in\nVersion: 0.1\n")
    (installed / "entry_points.txt").write_text(f"[{group}]\n{name} = {target}\n")
    monkeypatch.syspath_prepend(tmp_path)
    registry.refresh()

    try:
        assert name in names("how")
        config = tmp_path / "file.yaml"
        config.write_text(
            blocks(ROOT / "README.md", "yaml")[0].replace("how: gradmax", f"how: {{{name}: {{std: 0.2}}}}")
        )
        assert load_space(config).plain().growth.how == {name: {"std": 0.2}}
    finally:
        registry.refresh()
