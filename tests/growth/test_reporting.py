"""Strategies that work for long say how far they have come."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
import torch
from rich.console import Console

from growsearch import grow
from growsearch.growth import reporting
from growsearch.growth.reporting import on_terminal
from tests.growth.tasks import batch_for, cnn, grower_for, mlp, objective

LONG: list[tuple[dict[str, Any], int]] = [
    ({"gradmax_opt": {"steps": 3}}, 3),
    ({"firefly": {"steps": 4, "samples": 1}}, 4),
    ({"gauss_newton": {"steps": 5, "data": 3}}, 5),
]


@pytest.mark.parametrize(("how", "steps"), LONG)
def test_long_initializers_report_each_step(how: dict[str, Any], steps: int) -> None:
    found: list[tuple[int, int]] = []
    model = mlp(act=torch.nn.Tanh)
    batches = [batch_for(model, seed=seed) for seed in range(6)]
    policy = {"how": how, "amount": 0.5, "batches": batches}
    grower_for(model, report=lambda done, total, what: found.append((done, total)), **policy).step()
    assert found == [(step, steps) for step in range(1, steps + 1)]

    found.clear()
    grow(
        mlp(),
        batches[0][0],
        {"second": 1},
        how,
        objective=objective,
        batches=batches,
        report=lambda done, total, what: found.append((done, total)),
    )
    assert found == [(step, steps) for step in range(1, steps + 1)]


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], io.StringIO]:
    def make(terminal: bool) -> io.StringIO:
        written = io.StringIO()
        line = reporting._Line()
        line.console = Console(file=written, force_terminal=terminal, width=40)
        monkeypatch.setattr(reporting, "_line", lambda: line)
        return written

    return make


def test_on_a_terminal_there_is_one_line_which_goes_away(screen: Callable[[bool], io.StringIO]) -> None:
    written = screen(True)
    for done in range(1, 4):
        on_terminal(done, 3, "work")
    text = written.getvalue()
    assert "work, 1 of 3" in text and "work, 2 of 3" not in text  # within a tenth of a second: not again
    assert "\n" not in text and text.endswith("\r\x1b[2K")


def test_elsewhere_there_is_nothing(screen: Callable[[bool], io.StringIO]) -> None:
    written = screen(False)
    on_terminal(1, 3, "work")
    on_terminal(3, 3, "work")
    assert written.getvalue() == ""


def test_none_says_nothing_on_a_terminal_either(screen: Callable[[bool], io.StringIO]) -> None:
    written = screen(True)
    grower_for(cnn(), how={"gradmax_opt": {"steps": 2}}, report=None).step()
    assert written.getvalue() == ""
    grower_for(cnn(), how={"gradmax_opt": {"steps": 2}}).step()
    assert "steps of ascent, 1 of 2" in written.getvalue()
