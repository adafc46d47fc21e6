"""`growsearch doctor`: what it finds, and that a problem is an exit code."""

from __future__ import annotations

import json
import shutil
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from growsearch import registry
from growsearch.execution import diagnosis
from growsearch.installing import command_for_extra
from tests.cli.conftest import Run


def found(growsearch: Run, *arguments: object) -> tuple[int, dict[str, dict[str, Any]]]:
    result = growsearch("doctor", "--json", *arguments)
    return result.exit_code, {one["what"]: one for one in json.loads(result.stdout)}


def test_a_machine_where_all_is_well(growsearch: Run) -> None:
    code, said = found(growsearch)

    assert code == 0 and {one["state"] for one in said.values()} <= {"ok", "note"}
    assert " how, " in said["registered"]["found"]
    assert said["extra postgres"]["found"].startswith("psycopg")
    assert "growsearch" in growsearch("doctor").stdout


def test_an_extra_that_lacks_says_how_to_get_it(growsearch: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis, "_installed", lambda package: package != "onnx")

    code, said = found(growsearch)

    assert code == 0
    assert said["extra onnx"]["state"] == "note" and said["extra onnx"]["found"] == "onnx not installed"
    assert said["extra onnx"]["advice"] == command_for_extra("onnx")


def test_a_full_disk_is_a_problem(growsearch: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(diagnosis.shutil, "disk_usage", lambda path: usage._replace(free=10))

    code, said = found(growsearch)

    assert code == 2 and said["disk"]["state"] == "problem"


def test_a_plugin_that_cannot_be_imported_is_named(growsearch: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = EntryPoint("broken", "no_such_package:Thing", "growsearch.how")
    installed = registry._installed
    monkeypatch.setattr(
        registry, "_installed", lambda group: {**installed(group), **({"broken": broken} if group == "how" else {})}
    )

    code, said = found(growsearch)

    assert code == 2 and "no_such_package" in said["how broken"]["found"]


def test_a_storage_is_tried(growsearch: Run, tmp_path: Path) -> None:
    journal = tmp_path / "study.journal"
    code, said = found(growsearch, "--storage", journal)
    assert code == 2 and "no such journal" in said["storage"]["found"] and not journal.exists()

    journal.write_text("")
    code, said = found(growsearch, "--storage", journal)
    assert code == 0 and said["storage"]["found"] == "0 studies"

    code, said = found(growsearch, "--storage", "mysql://x")
    assert code == 2 and "unknown scheme" in said["storage"]["found"]
