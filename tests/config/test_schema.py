"""The JSON Schema: valid by itself, accepts the shipped files, and refuses what loading refuses."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from growsearch.config import find_file
from growsearch.config.schema import file_schema
from growsearch.registry import STRATEGY_GROUPS, names
from growsearch.shipped import shipped_names
from growsearch.yaml_source import parse_source, read_source
from tests.config.conftest import PLAIN
from tests.config.test_ranges import OPEN, OPTIMIZER


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    return Draft202012Validator(file_schema())


def test_it_is_a_schema_of_draft_2020_12(validator: Draft202012Validator) -> None:
    Draft202012Validator.check_schema(validator.schema)

    assert validator.schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("name", shipped_names())
def test_it_accepts_the_shipped_files(validator: Draft202012Validator, name: str) -> None:
    assert errors(validator, read_source(find_file(name)).data) == []


@pytest.mark.parametrize("text", [PLAIN, OPEN, OPTIMIZER])
def test_it_accepts_values_and_ranges(validator: Draft202012Validator, text: str) -> None:
    assert errors(validator, parse_source(text, "f").data) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("growth:", "grwoth:"),
        ("growth:", "reference: 3\ngrowth:"),
        ("scale: 0.5", "scael: 0.5"),
        ("scale: 0.5", "scale: -1"),
        ("scale: 0.5", "scale: {type: float, lo: 1, high: 2}"),
        ("how: {random", "how: {radnom"),
        ("where: uniform", "where: unform"),
        ("where: uniform", "where: {uniform: {}, random: {}}"),
        ("every: 5", "every: '5'"),
        ("name: sgd", "name: sdg"),
        ("name: mlp", "name: mpl"),
        ("hidden: [8]", "depth: 3"),
        ("{width: 1.0}", "{widht: 1.0}"),
        ("epochs: 2", "epochs: 0"),
        ("data: {name: digits}\n", ""),
    ],
)
def test_it_refuses_what_loading_refuses(validator: Draft202012Validator, old: str, new: str) -> None:
    assert old in PLAIN

    assert errors(validator, parse_source(PLAIN.replace(old, new), "f").data)


def test_it_knows_every_installed_strategy(validator: Draft202012Validator) -> None:
    growth = validator.schema["$defs"]["growth"]["properties"]

    for group in STRATEGY_GROUPS:
        assert growth[group]["anyOf"][0]["enum"] == names(group)


def errors(validator: Draft202012Validator, data: Any) -> list[str]:
    return [error.message for error in validator.iter_errors(data)]
