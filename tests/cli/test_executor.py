"""Where runs are, as the command line takes it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from growsearch.cli import app
from growsearch.installing import command_for_extra


@pytest.mark.parametrize("command", ["compare quickstart", "search digits_policies", "resume ."])
def test_an_address_without_a_cluster_is_refused(command: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [*command.split(), "--address", "host:6379"])

    assert result.exit_code == 2
    assert result.stderr == "error: --address host:6379 is of a Ray cluster: give --executor ray too\n"


def test_without_ray_the_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)

    result = CliRunner().invoke(app, ["compare", "quickstart", "--executor", "ray", "--out", str(tmp_path / "run")])

    assert result.exit_code == 2
    assert f"needs the package ray: {command_for_extra('cluster')}" in result.stderr
    assert not (tmp_path / "run").exists()
