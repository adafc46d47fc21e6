"""The advice to install something is a command that reaches the environment it is given in."""

from __future__ import annotations

import pytest

from growsearch import installing


@pytest.mark.parametrize(("pip", "before"), [(object(), ""), (None, "uv ")])
def test_an_environment_without_pip_is_told_of_uv(monkeypatch: pytest.MonkeyPatch, pip: object, before: str) -> None:
    monkeypatch.setattr(installing, "find_spec", {"pip": pip}.__getitem__)
    assert installing.command_for_extra("onnx") == f'{before}pip install "growsearch[onnx]"'
    assert installing.command_for("there", editable=True) == f'{before}pip install -e "there"'
