"""Reading YAML strictly: core values, positions, and what is refused."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from growsearch.errors import ConfigError
from growsearch.yaml_source import MAX_DEPTH, parse_source, parse_value, read_source


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("1.", 1.0),
        (".5", 0.5),
        ("-2E+2", -200.0),
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("yes", "yes"),
        ("off", "off"),
        ("True", True),
        ("~", None),
        ("", None),
        ("'1'", "1"),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("2026-01-01", "2026-01-01"),
        ("-.INF", -math.inf),
        ("[1, {a: b}]", [1, {"a": "b"}]),
    ],
)
def test_plain_values_follow_the_core_schema_of_yaml_1_2(text: str, value: object) -> None:
    parsed = parse_value(text, "value")

    assert parsed == value
    assert type(parsed) is type(value)


def test_nan_is_a_number() -> None:
    assert math.isnan(parse_value(".nan", "value"))


def test_marks_are_lines_and_columns_of_keys_and_items_from_one() -> None:
    source = parse_source("a: 1\nb:\n  c: [x, y]\n", "f")

    assert source.data == {"a": 1, "b": {"c": ["x", "y"]}}
    assert source.mark(("a",)) == (1, 1)
    assert source.mark(("b", "c")) == (3, 3)
    assert source.mark(("b", "c", 1)) == (3, 10)


def test_the_mark_of_a_missing_key_is_its_parents() -> None:
    assert parse_source("a:\n  b: 1\n", "f").mark(("a", "z", "y")) == (1, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3", "f:3:1: a: duplicate key (first on line 1)"),
        ("x: {a: 1, a: 2}", "f:1:11: x.a: duplicate key (first on line 1)"),
        ("a: &x 1", "f:1:4: anchors are not supported (found &x)"),
        ("a: *x", "f:1:4: aliases are not supported (found *x)"),
        ("a: !!python/object:os.system x", "f:1:4: tags are not supported"),
        ("a: 1\n---\nb: 2", "f:2:1: a second document"),
        ("1: a", "f:1:1: a key must be a string (found 1)"),
        ("[a]: b", "f:1:1: a key must be a string (found a collection)"),
        ("a: [1, 2", "f:1:9: not valid YAML: while parsing a flow sequence expected ',' or ']'"),
        ("a:\n\t- b", "f:2:1: not valid YAML"),
        ("- a\n- b", "f:1:1: the file must be a mapping"),
        (
            "just words",
            "f:1:1: the file must be a mapping such as `network: {name: mlp}` (found the value 'just words')",
        ),
        ("", "f:1:1: the file is empty"),
        ("a: \x00", "f: not a YAML file"),
        ("a: " + "1" * 5000, "f:1:4: an integer of 5000 digits is too long"),
        ("a: " + "[" * (MAX_DEPTH + 1), f"nested more than {MAX_DEPTH} deep"),
        ("[" * 100_000, f"nested more than {MAX_DEPTH} deep"),
    ],
)
def test_what_a_file_must_not_hold_is_refused_with_its_position(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_source(text, "f")

    assert message in str(caught.value)


def test_all_problems_are_listed_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_source("a: 1\na: 2\nb: {c: 1, c: 2}\n3: 4", "f")

    assert len(str(caught.value).splitlines()) == 3


def test_aliases_cannot_blow_a_small_file_up() -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]

    with pytest.raises(ConfigError, match="aliases are not supported"):
        parse_source("\n".join(lines), "f")


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "binary.yaml"
    path.write_bytes(b"\xff\xfe\x00\x01")

    with pytest.raises(ConfigError, match="not UTF-8"):
        read_source(path)
