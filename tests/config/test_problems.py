"""What is wrong with a file: all of it, each with its place, what was found, what is allowed, the nearest name."""

from __future__ import annotations

import pytest

from growsearch.config import load_config
from growsearch.errors import ConfigError
from tests.config.conftest import PLAIN, Write


def problems_of(path: object, *overrides: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(str(path), overrides)
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("old", "new", "place", "words"),
    [
        ("how: {random:", "how: {radnom:", "11:9: growth.how.radnom: unknown initializer", "did you mean 'random'?"),
        ("scale: 0.5", "scael: 0.5", "11:18: growth.how.random.scael: unknown key 'scael'", "did you mean 'scale'?"),
        ("scale: 0.5", "scale: -1", "11:18: growth.how.random.scale: out of range", "(found -1; allowed more than 0)"),
        (
            "every: 5",
            "every: '5'",
            "9:21: growth.when.interval.every: wrong kind of value",
            '(found "5"; allowed a whole',
        ),
        ("{every: 5}", "{}", "9:10: growth.when.interval.every: missing", "allowed a whole number"),
        (
            "every: 5",
            "every: 5, start: x",
            "9:31: growth.when.interval.start: wrong kind of value",
            '(found "x"; allowed a whole',
        ),
        ("where: uniform", "where: unform", "10:3: growth.where.unform: unknown selector", "did you mean 'uniform'?"),
        ("where: uniform", "where: {uniform: {}, random: {}}", "10:3: growth.where: name exactly one", "found"),
        ("  how: {random: {scale: 0.5}}\n", "", "7:1: growth.how: missing: how new units start", " gradmax,"),
        ("{width: 1.0}", "{width: 0.25}", "8:12: growth.budget.width: budget below the seed network", "allowed 0.5"),
        ("{width: 1.0}", "{width: 1.0, units: 3}", "8:3: growth.budget: give exactly one of", "width, units"),
        ("{width: 1.0}", "{widht: 1.0}", "8:12: growth.budget.widht: unknown key 'widht'", "did you mean 'width'?"),
        ("  epochs: 2\n", "", "3:1: training: give exactly one of epochs, steps and flops", "found none"),
        (
            "epochs: 2",
            "epochs: 2\n  steps: 3",
            "3:1: training: give exactly one of epochs, steps and flops",
            "epochs and steps",
        ),
        ("epochs: 2", "epochs: 0", "4:3: training.epochs: out of range", "(found 0; allowed 1 or more)"),
        ("batch_size", "bath_size", "5:3: training.bath_size: unknown key", "did you mean 'batch_size'?"),
        ("name: sgd", "name: sdg", "6:15: training.optimizer.name: unknown optimizer", "did you mean 'sgd'?"),
        (
            "name: sgd",
            "name: lbfgs",
            "6:15: training.optimizer.name: lbfgs cannot follow a growth",
            "its history",
        ),
        ("lr: 0.1, ", "", "6:3: training.optimizer.lr: missing", "allowed a number"),
        (
            "lr: 0.1",
            "lr: .nan",
            "6:26: training.optimizer.lr: wrong kind of value",
            "found NaN; allowed a finite number",
        ),
        (
            "name: sgd",
            "name: adam",
            "6:36: training.optimizer.momentum: unknown key",
            "(allowed lr, betas, eps",
        ),
        ("name: digits", "name: digit", "1:8: data.name: unknown data set", "did you mean 'digits'?"),
        ("{name: digits}", "5", "1:1: data: needs a name", "found 5"),
        ("name: mlp", "name: mpl", "2:11: network.name: unknown network", "did you mean 'mlp'?"),
        ("name: mlp", "name: resnet18", "2:11: network.name: unknown network", "did you mean 'torchvision:resnet18'?"),
        ("hidden: [8]", "hidden: [0]", "2:31: network.hidden.0: out of range", "(found 0; allowed 1 or more)"),
        ("hidden: [8]", "depth: 3", "2:22: network.depth: unknown key 'depth'", "allowed width, hidden"),
        (
            "growth:",
            "policies: {a: {}}\nreference: b\ngrowth:",
            "8:1: reference: unknown policy",
            "(found b; allowed a",
        ),
        ("growth:", "reference: 3\ngrowth:", "7:1: reference: must be the name of a policy", "(found 3)"),
        ("growth:", "grwoth:", "7:1: grwoth: unknown key 'grwoth'", "did you mean 'growth'?"),
        ("data: {name: digits}\n", "", "1:1: data: missing", "a mapping"),
        ("{name: digits}", "{name: arrays}", "1:1: data.file: missing", "allowed a path"),
        (
            "  optimizer: {name: sgd, lr: 0.1, momentum: 0.9}\n",
            "",
            "3:1: training.optimizer: missing",
            "allowed a mapping: name, lr, and other options",
        ),
    ],
)
def test_a_problem_has_its_place_what_was_found_and_what_is_allowed(
    write: Write, old: str, new: str, place: str, words: str
) -> None:
    assert old in PLAIN
    path = write(PLAIN.replace(old, new))

    [line] = problems_of(path)

    assert line.startswith(f"{path}:{place}")
    assert words in line


def test_all_problems_are_listed_in_the_order_of_the_file(write: Write) -> None:
    path = write(PLAIN.replace("epochs: 2", "epochs: 0").replace("uniform", "nowhere").replace("digits", "digts"))

    lines = problems_of(path)

    assert [line.removeprefix(f"{path}:").split(":")[0] for line in lines] == ["1", "4", "10"]


def test_a_bad_override_is_named_as_it_was_given(write: Write) -> None:
    [line] = problems_of(write(PLAIN), "training.epochs=0")

    assert line.startswith("--set training.epochs=0: training.epochs: out of range (found 0; allowed 1 or more)")


def test_a_section_that_only_an_override_makes_is_named_by_it(write: Write) -> None:
    [line] = problems_of(write(PLAIN), "trainng.epochs=3")

    assert line.startswith("--set trainng.epochs=3: trainng: unknown key")


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("epochs", "not an override (allowed: path.in.file=value"),
        ("a..b=1", "not an override"),
        ("training.epochs.x=1", "cannot be set inside the value 2"),
        ("network.hidden.4=1", "'4' is no place in a list of 1"),
        ("training.epochs=[1", "not valid YAML"),
    ],
)
def test_an_override_that_cannot_be_set_is_refused(write: Write, override: str, words: str) -> None:
    [line] = problems_of(write(PLAIN), override)

    assert line.startswith(f"--set {override}")
    assert words in line


def test_an_unknown_search_space_lists_the_shipped_ones_and_the_nearest() -> None:
    [line] = problems_of("quikstart")

    assert "no such file, nor a shipped file" in line
    assert "did you mean 'quickstart'?" in line


def test_an_importable_network_needs_leave(write: Write) -> None:
    path = write(PLAIN.replace("name: mlp, hidden: [8], width: 0.5", "name: 'os.path:join'"))

    [line] = problems_of(path)

    assert line.startswith(f"{path}:2:11: network.name: it is imported, which runs its code: pass --allow-import")
    assert load_config(path, allow_import=True).network == {"name": "os.path:join"}


@pytest.mark.parametrize(
    ("race", "words"),
    [
        ("{top: 1}", ["search.race.top: out of range (found 1; allowed 2 or more)"]),
        ("{tops: 3}", ["search.race.tops: unknown key 'tops' (allowed top, seeds; did you mean 'top'?)"]),
        ("some", ["search.race: ", "none"]),
    ],
)
def test_of_a_union_the_member_that_is_meant_says_what_is_wrong(race: str, words: list[str], write: Write) -> None:
    """Beside the mapping that a race may be there is the word none."""
    [line] = problems_of(write(PLAIN), f"search.race={race}")

    assert all(word in line for word in words)
