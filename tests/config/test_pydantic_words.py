"""No words of pydantic reach a user: each of its errors that a file or a call can meet is told in ours."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from growsearch.config.check import BudgetConfig, EnvelopeControl, GrowthConfig, TrainingConfig, TuneConfig
from growsearch.config.problems import check_model
from growsearch.config.ranges import RANGES
from growsearch.config.search_config import SearchConfig
from growsearch.errors import InputError
from growsearch.networks.layers import LAYERS
from growsearch.networks.parameters import make
from growsearch.pydantic_words import KNOWN
from growsearch.registry import STRATEGY_GROUPS, lookup, names

SECTIONS = (BudgetConfig, EnvelopeControl, GrowthConfig, TrainingConfig, TuneConfig, SearchConfig, *RANGES.values())
BAD: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 2, 3, 0.5, -0.5, 1e300, 10**30, math.nan, "x", "", "a:b", [], [0], [0, -1], [None], [2, 1]),
    *([[1]], ["x"], [0.5] * 9, {}, {"x": 1}, {"name": 3}, {"x": {"y": None}}, {"1": "x"}),
)
THEIRS = (
    "Input should",
    "should be",
    "should have",
    "Field required",
    "not permitted",
    "valid ",
    "Value error",
    "String",
)


def models() -> Iterator[tuple[str, type[BaseModel]]]:
    yield from ((model.__name__, model) for model in SECTIONS)
    yield from ((f"layer {name}", model) for name, model in LAYERS.items())
    for group in (*STRATEGY_GROUPS, "data", "networks", "optimizers", "tasks"):
        for name in names(group):
            model: Any = lookup(group, name)
            if isinstance(model, type) and issubclass(model, BaseModel):
                yield f"{group} {name}", model


@pytest.mark.parametrize(("name", "model"), [pytest.param(name, model, id=name) for name, model in models()])
def test_whatever_stands_in_a_field_is_refused_in_our_words(name: str, model: type[BaseModel]) -> None:
    tried: list[dict[str, Any]] = [{}, {"no such field": 1}]
    tried += [{field: bad} for field in model.model_fields for bad in BAD]
    for values in tried:
        problems = [problem.message for problem in check_model(model, values, ())[1]]
        try:
            make(model, values, name)
        except InputError as error:
            problems.append(str(error))
        assert not [words for words in THEIRS for told in problems if words in told], problems
        assert kinds_of(model, values) <= KNOWN


def kinds_of(model: type[BaseModel], values: dict[str, Any]) -> set[str]:
    """The types of pydantic's errors, of a file and of a call."""
    found: set[str] = set()
    for validate in (
        lambda: model.model_validate(values),
        lambda: model.model_validate_json(json.dumps(values), strict=True),
    ):
        try:
            validate()
        except ValidationError as error:
            found |= {detail["type"] for detail in error.errors()}
    return found


class Every(BaseModel):
    """A field for each kind of error that an option can meet."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    whole: int = 1
    number: float = 1.0
    above: Annotated[float, Field(gt=0)] = 1.0
    least: Annotated[int, Field(ge=2)] = 2
    below: Annotated[float, Field(lt=1)] = 0.5
    most: Annotated[float, Field(le=1)] = 0.5
    even: Annotated[int, Field(multiple_of=2)] = 2
    text: str = ""
    flag: bool = False
    many: Annotated[tuple[int, ...], Field(min_length=2)] = (1, 2)
    few: Annotated[list[int], Field(max_length=1)] = []
    short: Annotated[str, Field(max_length=2)] = ""
    long: Annotated[str, Field(min_length=2)] = "ab"
    form: Annotated[str, Field(pattern="^a+$")] = "a"
    one_of: Literal["red", "green"] = "red"
    options: dict[str, int] = {}
    inner: BudgetConfig | None = None
    either: Annotated[int, Field(ge=1)] | tuple[int, ...] = 1
    nothing: None = None


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"whole": "5"}, 'wrong kind of value (found "5"; allowed a whole number)'),
        ({"whole": 5.5}, "wrong kind of value (found 5.5; allowed a whole number)"),
        ({"number": "x"}, 'wrong kind of value (found "x"; allowed a number)'),
        ({"number": math.inf}, "wrong kind of value (found Infinity; allowed a finite number)"),
        ({"above": 0}, "out of range (found 0; allowed more than 0)"),
        ({"least": 1}, "out of range (found 1; allowed 2 or more)"),
        ({"below": 1}, "out of range (found 1; allowed less than 1)"),
        ({"most": 2}, "out of range (found 2; allowed 1 or less)"),
        ({"even": 3}, "out of range (found 3; allowed multiples of 2)"),
        ({"text": 3}, "wrong kind of value (found 3; allowed text)"),
        ({"flag": "maybe"}, 'wrong kind of value (found "maybe"; allowed true or false)'),
        ({"many": 3}, "wrong kind of value (found 3; allowed a list)"),
        ({"many": [3]}, "too short (found [3]; allowed 2 or more entries)"),
        ({"few": [3, 4]}, "too long (found [3, 4]; allowed 1 or fewer entries)"),
        ({"short": "abc"}, 'too long (found "abc"; allowed 2 or fewer characters)'),
        ({"long": "a"}, 'too short (found "a"; allowed 2 or more characters)'),
        ({"form": "b"}, 'of another form (found "b"; allowed text like ^a+$)'),
        ({"one_of": "grene"}, "unknown value (found \"grene\"; allowed red, green; did you mean 'green'?)"),
        ({"options": 3}, "wrong kind of value (found 3; allowed a mapping)"),
        ({"inner": 3}, "wrong kind of value (found 3; allowed a mapping)"),
        ({"inner": {"units": 0}}, "out of range (found 0; allowed 1 or more)"),
        ({"either": 0}, "out of range (found 0; allowed 1 or more or a list)"),
        ({"nothing": 1}, "wrong kind of value (found 1; allowed null)"),
        ({"wohle": 1}, "unknown key 'wohle' (allowed "),
    ],
)
def test_an_option_is_refused_with_what_was_found_and_what_is_allowed(values: dict[str, Any], told: str) -> None:
    [problem] = check_model(Every, values, ("here",))[1]

    assert problem.message == told or (told.endswith("(allowed ") and problem.message.startswith(told))
