"""What is cited is what is packaged."""

from __future__ import annotations

import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]


def test_the_citation_has_the_packages_name_version_and_license() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())

    assert cited["cff-version"] == "1.2.0" and cited["message"] and cited["authors"]
    assert [cited[key] for key in ("title", "version", "license")] == [
        project[key] for key in ("name", "version", "license")
    ]
