"""The page of measured times says what was measured."""

from __future__ import annotations

from experiments.performance.table import page

ABOUT = {"command": "measure", "commit": "abc", "processor": "CPU", "cores": 2, "torch": "2.15"}


def of(load: float, **row: object) -> str:
    rows = {"one": {"what": "a thing", "unit": "s", "limit": 2.0, "at_least": False, **row}}
    return page({"about": {**ABOUT, "load_average": [load, load]}, "rows": rows})


def test_a_row_holds_where_its_median_is_within_its_target() -> None:
    assert "| a thing | 1.5 s (1 – 3) | 9 s | ≤ 2 s | yes |" in of(0.5, value=[1.5, 1.0, 3.0], wall=[9.0, 9.0, 9.0])
    assert "| ≤ 2 s | no |" in of(0.5, value=[2.5, 1.0, 3.0])
    assert "| ≥ 2 s | yes |" in of(0.5, value=[2.5, 1.0, 3.0], at_least=True)


def test_a_loaded_machine_and_what_was_not_measured_are_said() -> None:
    assert "other work shared the cores" in of(3.0, value=[1.0, 1.0, 1.0])
    assert "other work" not in of(0.5, value=[1.0, 1.0, 1.0])
    assert "| a thing | not measured: no gromo |" in of(0.5, failed="not measured: no gromo")
