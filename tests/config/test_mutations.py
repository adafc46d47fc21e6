"""Whatever a file holds, it is valid or one clear message: never a traceback."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from growsearch.config import load_space
from growsearch.config.space import find_file
from growsearch.errors import InputError
from growsearch.shipped import shipped_names
from tests.config.mutations import mutated

PARTS, EACH = 8, 125


def texts(seed: int) -> tuple[str, str]:
    """A shipped file with its values changed, and one with its characters changed."""
    drawn = random.Random(seed)
    text, plain = shipped(drawn.choice(shipped_names()))
    scrambled = list(text)
    for _ in range(drawn.randint(1, 4)):
        place = drawn.randrange(len(scrambled))
        scrambled[place : place + drawn.randint(0, 2)] = drawn.choice(
            ["", "\t", ": ", "{", "]", "- ", "&a", "*a", "!", "'", "\x00"]
        )
    return dumped(mutated(plain, drawn)), "".join(scrambled)


@cache
def shipped(name: str) -> tuple[str, Any]:
    """The text of a shipped file, and what it says."""
    text = find_file(name).read_text()
    return text, yaml.safe_load(text)


def dumped(plain: Any) -> str:
    """YAML, by the library in C where there is one: most of the time goes into YAML."""
    return yaml.dump(plain, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), allow_unicode=True)


@pytest.mark.parametrize("part", range(PARTS))
def test_every_file_is_valid_or_refused_with_a_message(part: int, tmp_path: Path) -> None:
    refused = 0
    for seed in range(part * EACH, (part + 1) * EACH):
        for text in texts(seed):
            file = tmp_path / "file.yaml"
            file.write_text(text)
            try:
                space = load_space(file)
                space.first()
            except InputError as error:
                refused += 1
                assert str(error).startswith(f"{file}"), f"seed {seed}: {error}"
            except Exception as error:
                raise AssertionError(f"seed {seed} ended in {type(error).__name__}: {error}\n{text}") from error
    assert refused > EACH


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("growth.amount={type: [1], low: 1, high: 2}", "growth.amount.type: unknown type of range"),
        ("policies.a={type: int, low: 1, high: 5}", "policies.a"),
        ("policies.a={policies: {b: 1}}", "not a policy's to set: policies"),
        ("type=choice", "unknown key 'type'"),
    ],
)
def test_what_once_ended_in_a_traceback(override: str, message: str) -> None:
    overrides: list[Any] = [override, "values=[[1]]"] if override.startswith("type") else [override]
    with pytest.raises(InputError, match=message):
        load_space("quickstart", overrides)
