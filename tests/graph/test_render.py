"""A graph as table, tree, JSON and drawing."""

from __future__ import annotations

import io
import json
from xml.etree import ElementTree

import pytest
import torch
from rich.console import Console
from torch import Tensor, nn

from growsearch.graph import NetworkGraph, network_tree, site_table, to_json, to_svg, trace


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU())
        self.side, self.out = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        one, two = torch.chunk(torch.matrix_exp(x + self.side(x)), 2, dim=-1)
        return self.out(one + two)


@pytest.fixture(scope="module")
def graph() -> NetworkGraph:
    return trace(Net(), torch.ones(2, 3, 8, 8))


def text(renderable: object) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(renderable)
    return console.file.getvalue()


def test_the_table_shows_costs_and_reasons(graph: NetworkGraph) -> None:
    shown = text(site_table(graph))

    assert "stem.0 +1" in shown  # and one more producer
    assert "frozen: no rule for torch.matrix_exp at the model" in shown
    assert f"{graph.sites['stem.0'].parameters_per_unit:,}" in shown


def test_the_tree_shows_every_call_under_its_module(graph: NetworkGraph) -> None:
    lines = text(network_tree(graph)).splitlines()

    stem = next(number for number, line in enumerate(lines) if line.endswith("stem"))
    assert "0  convolution  2x8x6x6  stem.0" in lines[stem + 1]
    assert any("matrix_exp()  no rule" in line for line in lines)


def test_the_json_is_plain_data(graph: NetworkGraph) -> None:
    data = json.loads(json.dumps(to_json(graph)))

    assert {node["id"] for node in data["graph"]["nodes"]} == set(graph.networkx)
    assert data["sites"][0]["name"] == "stem.0"
    assert data["sites"][0]["width"] == 8
    assert data["parameters"] == graph.parameters


def test_the_drawing_is_valid_and_shows_every_box_once(graph: NetworkGraph) -> None:
    root = ElementTree.fromstring(to_svg(graph))

    space = "{http://www.w3.org/2000/svg}"
    titles = [element.text for element in root.iter(f"{space}title")]
    assert len(titles) == len(set(titles)) == len(root.findall(f"{space}g"))
    assert any(title.startswith("stem.0\nstem.1\nstem.2\nsite stem.0: frozen") for title in titles)
    assert "prefers-color-scheme: dark" in to_svg(graph)
