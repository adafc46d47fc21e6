from __future__ import annotations

import importlib.metadata
from typing import Any

import pytest

from growsearch import registry
from growsearch.growth.policy import strategy_name
from growsearch_strategies.how.zero import Zero


@pytest.fixture
def anew() -> Any:
    registry.refresh()
    yield
    registry.refresh()


def test_the_files_of_installed_packages_are_read_once(monkeypatch: pytest.MonkeyPatch, anew: None) -> None:
    read = importlib.metadata.entry_points
    calls: list[dict[str, Any]] = []

    def counted(**selected: Any) -> Any:
        calls.append(selected)
        return read(**selected)

    monkeypatch.setattr(importlib.metadata, "entry_points", counted)

    assert all(registry.names(group) for group in registry.GROUPS if group != "operations")
    assert len(calls) == 1


def test_the_name_of_a_strategy_is_found_without_importing_others(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up: list[str] = []

    def noted(group: str, name: str) -> type:
        looked_up.append(name)
        return registry.lookup(group, name)

    monkeypatch.setattr("growsearch.growth.policy.lookup", noted)

    assert strategy_name("how", Zero()) == "zero"
    assert looked_up == ["zero"]
