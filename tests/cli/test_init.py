"""`growsearch init`: what it writes validates, and bad answers leave nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from growsearch.cli import app
from growsearch.config import load_config
from growsearch.config.starter import STARTS, Answers, initializers, write_starter
from growsearch.data import load_data
from growsearch.errors import InputError
from growsearch.networks import build_network
from growsearch.training.length import total_steps
from tests.cli.conftest import Run


@pytest.mark.parametrize("data", STARTS)
def test_every_network_and_initializer_of_every_kind_of_data_is_a_valid_file(data: str, tmp_path: Path) -> None:
    needed = {"root": str(tmp_path), "file": "mine.npz"}.get(STARTS[data].path or "")
    for network in STARTS[data].networks:
        for how in initializers(data):
            path = tmp_path / f"{network}-{how}.yaml"
            config = load_config(write_starter(path, Answers(data, needed, None, network, how, 3)))

            small, big, grown = config.policy_configs().values()
            assert config.seeds == 3
            assert (config.data["name"], config.network["name"], config.reference) == (data, network, "big")
            assert "#" in path.read_text()
            assert small.network == grown.network != big.network


def test_a_table_of_your_own_trains_from_the_file_that_it_writes(growsearch: Run, tmp_path: Path) -> None:
    table, path = tmp_path / "houses.csv", tmp_path / "mine.yaml"
    table.write_text("rooms,price\n" + "".join(f"{i % 5},{i * 0.5}\n" for i in range(40)))

    result = growsearch("init", path, "--data", "arrays", "--path", table, "--target", "price")

    assert result.exit_code == 0, result.stderr
    assert load_config(path).data["target"] == "price"
    assert growsearch("validate", path).exit_code == 0


def test_a_table_with_text_and_whole_prices_trains_as_well(growsearch: Run, tmp_path: Path) -> None:
    table, path = tmp_path / "houses.csv", tmp_path / "mine.yaml"
    table.write_text("street,rooms,price\n" + "".join(f"Lane {i},{i % 5},{1000 * i}\n" for i in range(40)))

    result = growsearch("init", path, "--data", "arrays", "--path", table, "--target", "price")

    assert result.exit_code == 0, result.stderr
    data = load_config(path).data
    assert (data["ignore"], data["predict"]) == (["street"], "numbers")
    assert growsearch("validate", path).exit_code == 0
    rooms = growsearch("init", tmp_path / "rooms.yaml", "--data", "arrays", "--path", table, "--target", "rooms")
    assert rooms.exit_code == 0, rooms.stderr
    assert "predict" not in load_config(tmp_path / "rooms.yaml").data  # a few whole numbers are classes


def test_on_a_terminal_it_asks_until_the_answer_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mine.yaml"
    monkeypatch.setattr("growsearch.cli.init.sys", SimpleNamespace(stdin=SimpleNamespace(isatty=lambda: True)))

    result = CliRunner().invoke(app, ["init", str(path)], input="digts\ndigits\nmlp\nnothing\nsplit\n")

    assert result.exit_code == 0, result.output
    assert result.stderr.count("data (digits, ") == 2 and result.stderr.count("how new parts start (") == 2
    written = load_config(path)
    assert (written.network["name"], written.growth.how) == ("mlp", {"split": {"noise": 0.1}})


@pytest.mark.parametrize(("shape", "network"), [((8, 3, 12, 12), "small_cnn"), ((8, 5), "mlp")])
def test_arrays_that_are_images_get_a_network_of_convolutions(
    growsearch: Run, tmp_path: Path, shape: tuple[int, ...], network: str
) -> None:
    file, path = tmp_path / "mine.npz", tmp_path / "mine.yaml"
    np.savez(file, inputs=np.zeros(shape, dtype=np.uint8 if len(shape) == 4 else np.float32), targets=np.arange(8) % 2)

    result = growsearch("init", path, "--data", "arrays", "--path", file)

    assert result.exit_code == 0, result.stderr
    assert load_config(path).network["name"] == network


def test_data_that_are_not_there_yet_are_told(growsearch: Run, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    missing = growsearch("init", tmp_path / "a.yaml", "--data", "image_folder", "--path", photos)
    photos.mkdir()
    there = growsearch("init", tmp_path / "b.yaml", "--data", "image_folder", "--path", photos)

    told = f"{photos} is not there yet"
    assert (missing.exit_code, told in missing.output, told in there.output) == (0, True, False)


def test_what_becomes_of_columns_is_told(growsearch: Run, tmp_path: Path) -> None:
    table, path = tmp_path / "houses.csv", tmp_path / "mine.yaml"
    rows = (f"{'' if i in (7, 9) else i * 2};Lane {i};{'ab'[i % 2]};{i % 5};{i * 0.5}\n" for i in range(40))
    table.write_text("area;street;kind;rooms;price\n" + "".join(rows))
    asked = ("init", "--data", "arrays", "--path", table, "--target", "price")

    result = growsearch(*asked, path)

    assert "column 'street' is left out (data.ignore): it is text with 40 values in 40 rows" in result.output
    assert "column 'kind' has 2 values, each of which is an input (data.categories)" in result.output
    assert "1 column lacks values, for which the training mean stands in (data.missing)" in result.output
    assert "rooms" not in result.output
    written = load_config(path).data
    assert (written["delimiter"], written["categories"], written["missing"]) == (";", ["kind"], "fill")
    assert growsearch("validate", path).exit_code == 0
    told = json.loads(growsearch(*asked, tmp_path / "second.yaml", "--json").stdout)["reasons"]
    assert len(told) == 3 and all(reason in result.output for reason in told)


def photos(root: Path, folders: Sequence[str], sizes: Sequence[tuple[int, int]]) -> Path:
    for folder in folders:
        for number in range(8):
            path = root / folder / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", sizes[number % len(sizes)], (number, 0, 0)).save(path)
    return root


@pytest.mark.parametrize(
    ("folders", "sizes", "more"),
    [
        (("train/a", "train/b", "test/a", "test/b"), [(32, 32)], {}),
        (("train/a", "train/b", "val/a", "val/b"), [(40, 30)], {}),
        (("train/a", "train/b"), [(32, 32)], {"test": 0.2}),
        (("a", "b"), [(40, 30), (30, 50)], {"test": 0.2, "size": 30}),
        (("a", "b"), [(300, 200), (220, 260)], {"test": 0.2, "size": 64}),
        (("train/a", "train/b", "test/a", "test/b"), [(224, 224)], {"size": 64}),
    ],
)
def test_photos_as_they_lie_about_can_be_trained_on(
    folders: Sequence[str], sizes: Sequence[tuple[int, int]], more: dict[str, Any], growsearch: Run, tmp_path: Path
) -> None:
    root, path = photos(tmp_path / "photos", folders, sizes), tmp_path / "mine.yaml"

    result = growsearch("init", path, "--data", "image_folder", "--path", root)

    assert result.exit_code == 0, result.stderr
    data = load_config(path).data
    assert {name: data.get(name) for name in ("test", "size") if data.get(name)} == more
    assert all(f"(data.{name})" in result.stderr for name in more)
    checked = growsearch("validate", path)
    assert checked.exit_code == 0, checked.stderr


def test_a_table_that_is_not_there_or_lacks_the_column_is_refused(growsearch: Run, tmp_path: Path) -> None:
    (tmp_path / "houses.csv").write_text("rooms,price\n1,2\n")
    for name, target, message in (("none.csv", "price", "cannot be read"), ("houses.csv", "prise", "'price'")):
        path = tmp_path / "mine.yaml"
        result = growsearch("init", path, "--data", "arrays", "--path", tmp_path / name, "--target", target)
        assert result.exit_code == 2 and message in result.stderr
        assert not path.exists()


def test_without_a_terminal_it_takes_what_is_usual(growsearch: Run, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"

    result = growsearch("init", path)

    assert result.exit_code == 0, result.stderr
    assert load_config(path).network["name"] == "small_cnn"
    assert f"growsearch compare {path}" in result.stderr


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--data", "cifar"), "data 'cifar': allowed here are digits, cifar10"),
        (("--network", "gpt"), "network 'gpt': allowed here are small_cnn, mlp"),
        (("--data", "text", "--how", "gradmax"), "allowed here are identity_blocks, stack"),
        (("--data", "image_folder"), "needs the folder of the images: --path"),
        (("--path", "x"), "data 'digits' has no path (found x)"),
        (("--data", "arrays"), "needs an .npz, .pt or .csv file: --path"),
        (("--data", "arrays", "--path", "x.csv"), "x.csv is a table: --target COLUMN names the column that is learned"),
        (("--data", "arrays", "--path", "x.npz", "--target", "y"), "of data 'arrays' (found y)"),
    ],
)
def test_a_bad_answer_is_one_message_and_no_file(
    growsearch: Run, tmp_path: Path, flags: tuple[str, ...], message: str
) -> None:
    path = tmp_path / "mine.yaml"

    result = growsearch("init", path, *flags)

    assert result.exit_code == 2 and message in result.stderr
    assert not path.exists()


def test_a_file_that_is_there_stays_as_it_is(growsearch: Run, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("mine")

    result = growsearch("init", path)

    assert result.exit_code == 2 and "is there already" in result.stderr
    assert path.read_text() == "mine"


def test_a_file_that_cannot_be_checked_is_taken_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise InputError("no")

    monkeypatch.setattr("growsearch.config.starter.load_config", refuse)
    with pytest.raises(InputError, match="no"):
        write_starter(tmp_path / "mine.yaml", Answers())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("network", ["gpt", "llama"])
@pytest.mark.parametrize(
    ("size", "least", "most", "steps"), [(20_000, 35, 45, 1000), (350_000, 10, 20, 2000), (1_000_000, 4, 10, 2000)]
)
def test_a_text_is_seen_a_sensible_number_of_times_in_about_a_minute(
    tmp_path: Path, network: str, size: int, least: float, most: float, steps: int
) -> None:
    text, path = tmp_path / "mine.txt", tmp_path / "mine.yaml"
    text.write_text("a word. " * (size // 8))

    config = load_config(write_starter(path, Answers("text", str(text), None, network)))

    big = config.policy_configs()["big"]
    data = load_data(big.data, 0)
    model, samples = build_network(big.network, data.input_shape, data.outputs), len(data.train)
    done = total_steps(big.training, model, data.example(), samples)
    assert least <= done * big.training.batch_size / samples <= most
    assert done >= steps
    assert (big.training.flops or 0) <= 2e12
    assert "the final size sees the text about" in path.read_text()


def test_a_text_that_is_not_there_yet_has_the_usual_length(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"

    config = load_config(write_starter(path, Answers("text", str(tmp_path / "later.txt"))))

    assert (config.training.flops, config.training.batch_size) == (2e12, 32)
