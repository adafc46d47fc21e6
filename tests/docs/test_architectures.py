"""The page of architectures is what was measured, and the trial that measures tells wrong from right."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import growsearch
from experiments.architectures.architecture import Architecture, floats
from experiments.architectures.page import PAGE, page
from experiments.architectures.trial import try_architecture

RESULTS = Path(__file__).parents[2] / "experiments" / "architectures" / "results.json"


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 7), nn.ReLU(), nn.Linear(7, 2))


def tried(build: Callable[[], nn.Module] = network) -> Any:
    return try_architecture(Architecture("small", "here", "plain", build, floats(6, 5)))


def spoil(monkeypatch: pytest.MonkeyPatch, after: Callable[[nn.Module, dict[str, int]], None]) -> None:
    """Let every growth do `after` to the grown network and its sites."""
    grow = growsearch.grow

    def spoilt(model: nn.Module, inputs: Any, units: dict[str, int], how: str) -> Any:
        event = grow(model, inputs, units, how=how)
        after(model, units)
        return event

    monkeypatch.setattr(growsearch, "grow", spoilt)


def test_the_page_is_what_was_measured() -> None:
    """Else run python -m experiments.architectures."""
    assert PAGE.read_text() == page(json.loads(RESULTS.read_text()))


def test_a_network_that_keeps_its_function_is_kept_with_all_its_sites() -> None:
    found = tried()

    assert (found.outcome, found.exact, found.grown) == ("kept", 2, 2)
    assert max(found.evaluation, found.training) < 1e-6


def test_a_changed_weight_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(monkeypatch, lambda model, units: nn.init.constant_(model[5].weight[0, :1].detach(), 3.0))

    assert tried().outcome == "wrong"


def test_a_change_that_only_train_mode_shows_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    def other_eps(model: nn.Module, units: dict[str, int]) -> None:
        norm = model[1]
        with torch.no_grad():
            norm.running_var += norm.eps - 0.5
        norm.eps = 0.5

    spoil(monkeypatch, other_eps)

    found = tried()
    assert (found.outcome, "train mode" in found.reason) == ("wrong", True)


def test_a_refused_site_is_found_among_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(model: nn.Module, units: dict[str, int]) -> None:
        if "3" in units:
            raise growsearch.GrowthRefused("not this one")

    spoil(monkeypatch, refuse)

    found = tried()
    assert (found.outcome, found.grown, found.refused) == ("partly", 1, {"3": "not this one"})


def test_another_exception_is_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(monkeypatch, lambda model, units: [][0])

    assert tried().outcome == "crash"


def test_a_network_that_answers_the_same_whatever_its_weights_shows_nothing() -> None:
    with pytest.raises(ValueError, match="hardly depends"):
        tried(lambda: nn.Sequential(network(), nn.Threshold(1e9, 1.0)))
