from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import growsearch
from growsearch.comparison import read_results
from growsearch.networks import build_network
from growsearch.report.curves import curves
from growsearch.report.growth import _recovered, growth_table, timeline
from growsearch.report.growth_section import growth_section
from growsearch.report.logs import RunLog, median_run, read_logs
from growsearch.report.network_boxes import Box, network_boxes
from growsearch.report.network_svg import network_svg
from growsearch.training.artifact import NetworkDescription, save_network

RESNET = {"name": "resnet18_cifar", "width": 0.0625}


def run_with(score: float, seed: int = 0, events: list[dict[str, Any]] | None = None) -> RunLog:
    return RunLog(seed, score, Path(), [], events or [], 0)


def saved(folder: Path, model: nn.Module, network: dict[str, Any], shape: tuple[int, ...]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    description = NetworkDescription(network=network, input_shape=list(shape), outputs=10, insertions=[])
    save_network(folder, model, description)
    return folder


def test_curves_are_means_over_seeds(comparison: Callable[..., Path]) -> None:
    folder = comparison()

    found = curves(read_logs(folder, read_results(folder))["small"])

    assert found["x"]["step"] == list(range(1, 41))
    assert found["x"]["seconds"][0] == pytest.approx(0.1 + 1)
    last = {key: values[-1] for key, values in found["metrics"]["validation_accuracy"].items()}
    assert last == pytest.approx({"mean": 0.51, "low": 0.50, "high": 0.52})


def test_a_value_that_is_missing_leaves_a_gap() -> None:
    rows = [{"step": step, "seconds": 1.0, "train_loss": loss} for step, loss in ((1, 2.0), (2, None), (3, 1.0))]

    found = curves([RunLog(0, 1.0, Path(), rows, [], 0)])

    assert found["metrics"]["train_loss"]["mean"] == [2, None, 1]


def test_the_median_run_is_in_the_middle() -> None:
    scores = (0.3, 0.9, 0.1, 0.5)

    assert median_run([run_with(score, seed) for seed, score in enumerate(scores)]).seed == 0


def test_widths_follow_the_growth_log_and_removals_too() -> None:
    events = [
        {"step": 10, "sites": {"0": 2}, "widths_before": {"0": 4, "2": 8}, "widths": {"0": 6, "2": 8}},
        {"step": 20, "sites": {"new": 1}, "widths_before": {"0": 6, "2": 8}, "widths": {"0": 5, "2": 8, "new": 3}},
    ]

    found = timeline(run_with(1.0, events=events))

    assert (found.steps, found.sites, found.columns) == ([10, 20], ["0", "new"], [0, 10, 20])
    assert found.widths == [[4, 6, 5], [None, None, 3]]


def test_growth_is_counted_over_all_runs(comparison: Callable[..., Path]) -> None:
    folder = comparison()

    table = growth_table(read_logs(folder, read_results(folder)), ["grown", "small"])

    assert table.rows == (("grown", "2", "1", "3", "0", "0.5", "0.5 to 0.5", "0", "+0", ""),)


def test_the_network_is_drawn_with_its_branches_and_what_it_gained(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = build_network(RESNET, (3, 8, 8), 10)
    inputs = torch.zeros(2, 3, 8, 8)
    before = {name: site.width for name, site in growsearch.trace(model, inputs).sites.items()}
    grown = next(name for name, site in growsearch.trace(model, inputs).sites.items() if len(site.producers) == 1)
    growsearch.grow(model, inputs, units={grown: 3}, how="zero")

    boxes = network_boxes(saved(tmp_path / "run", model, RESNET, (3, 8, 8)), before)

    changed = {box.name: (box.before, box.after) for box in boxes if box.before != box.after}
    assert changed == {grown: (before[grown], before[grown] + 3)}
    position = {box.name: number for number, box in enumerate(boxes)}
    assert all(position[source] < position[box.name] for box in boxes for source in box.sources)
    assert sum(len(box.sources) == 2 for box in boxes) == 8  # the residual additions of a ResNet-18
    drawn = network_svg(boxes, "a network")
    assert drawn.count("<path") == sum(len(box.sources) for box in boxes)
    assert drawn.count('class="added"') == 1
    assert f"{before[grown]} → {before[grown] + 3}" in drawn


def test_what_was_inserted_or_removed_is_drawn_as_such() -> None:
    boxes = [Box("a", "linear", 8, 5, ()), Box("b", "linear", None, 4, ("a",))]

    drawn = network_svg(boxes, "a network")

    assert [drawn.count(f'class="{kind}"') for kind in ("seed", "removed", "added")] == [1, 1, 1]
    assert "8 → 5" in drawn and "new, 4" in drawn


def test_a_network_that_cannot_be_rebuilt_is_said_so(comparison: Callable[..., Path]) -> None:
    folder = comparison()

    text = growth_section(read_logs(folder, read_results(folder)), ["grown", "small"], None)

    assert "Not drawn: " in text and "network.json does not exist" in text


def test_steps_until_the_loss_is_back_are_averaged_and_those_not_back_counted() -> None:
    known = [{"loss_after": 2.0, "recovered_steps": steps} for steps in (0, 30, None)]

    assert _recovered(known) == "15 (1 of 3 not back)"
    assert _recovered(known[:2]) == "15"
    assert _recovered([{"loss_after": None, "recovered_steps": None}]) == ""
