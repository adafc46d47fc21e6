from __future__ import annotations

import io
from dataclasses import replace

import torch
from rich.console import Console

from growsearch.drawing.terminal import block_table, network_tree, site_table
from growsearch.graph import NetworkGraph, trace


def text(renderable: object) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(renderable)
    return console.file.getvalue()


def test_the_table_shows_costs_and_reasons(graph: NetworkGraph) -> None:
    shown = text(site_table(graph))

    assert "stem.0 +1" in shown  # and one more producer
    assert "frozen: no rule for torch.matrix_exp at the model" in shown
    assert f"{graph.sites['stem.0'].parameters_per_unit:,}" in shown


def test_block_sites_show_what_copies_cost_and_why_there_are_none() -> None:
    from growsearch.networks.llama import Llama

    torch.manual_seed(0)
    found = trace(Llama(depth=3, embedding=8, heads=2).build((4,), 11), torch.randint(0, 11, (2, 4)))
    site = found.block_sites["blocks"]

    shown = text(block_table(replace(found, no_block_sites={"stages": "they differ"})))

    assert "block sites" in shown
    row = ["blocks", "3", "exact", f"{site.parameters[0]:,}", f"{site.flops[0]:,}"]
    assert row in [line.split() for line in shown.splitlines()]
    assert any(line.split()[:3] == ["stages", "none:", "they"] for line in shown.splitlines())


def test_the_tree_shows_every_call_under_its_module(graph: NetworkGraph) -> None:
    lines = text(network_tree(graph)).splitlines()

    assert lines[0].endswith("FLOPs per sample; shapes of 2 samples")
    stem = next(number for number, line in enumerate(lines) if line.endswith("stem"))
    assert "0  convolution  2x8x6x6  stem.0" in lines[stem + 1]
    assert any("matrix_exp()  no rule" in line for line in lines)
