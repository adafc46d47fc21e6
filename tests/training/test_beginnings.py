"""Runs that are the same until they first grow train that part once, to the same bits as apart."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from growsearch.comparison.compare import compare
from growsearch.config import RunConfig
from growsearch.runs.layout import BEGINNING, METRICS, beginnings_folder, run_of
from growsearch.training import beginnings, run_one
from growsearch.training.beginnings import beginning_key, spared_sentence
from growsearch.training.checkpoint import load_checkpoint

CONFIG: dict[str, Any] = {
    "data": {"name": "digits"},
    "network": {"name": "small_cnn", "channels": [4, 6], "width": 1.0},
    "training": {"steps": 12, "batch_size": 64, "rows": 6, "optimizer": {"name": "adam", "lr": 0.01}},
    "growth": {"when": {"schedule": {"steps": [7, 10]}}, "how": {"zero": {}}, "budget": {"width": 1.5}},
    "seeds": 1,
}
HOWS = ("random", "gradmax", "split", "firefly", "variance_transfer")


def config_of(how: str = "zero", where: str = "uniform", **growth: Any) -> RunConfig:
    own = {**CONFIG["growth"], "how": {how: {}}, "where": {where: {}}, **growth}
    return RunConfig.model_validate({**CONFIG, "growth": own})


def content(run: Path) -> dict[str, Any]:
    """All that a run leaves, without times."""
    lines = {
        name: [without_times(json.loads(line)) for line in (run / name).read_text().splitlines()]
        for name in (METRICS, "growth.jsonl")
    }
    return {
        **lines,
        "weights": (run / "model.safetensors").read_bytes(),
        "result": without_times(json.loads((run / "result.json").read_text())),
    }


def without_times(plain: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in plain.items() if key not in ("seconds", "growth_seconds")}


@pytest.fixture(scope="module", autouse=True)
def no_rest() -> Generator[None]:
    """Every row is kept, however long that takes: the tests are not to depend on the machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(beginnings, "_REST", 0)
        yield


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a run has left its beginning."""
    made = tmp_path_factory.mktemp("shared")
    run_one(config_of(), 0, made / "zero", "cpu", shared=made)
    return made


@pytest.mark.parametrize("how", HOWS)
def test_what_grows_otherwise_goes_on_from_the_beginning_to_the_same_bits(how: str, home: Path, tmp_path: Path) -> None:
    rows: list[int] = []

    def count(event: Any) -> None:
        if type(event).__name__ == "RowDone":
            rows.append(event.row.step)

    shared = run_one(config_of(how), 0, home / how, "cpu", progress=count, shared=home)

    apart = run_one(config_of(how), 0, tmp_path / how, "cpu")
    assert content(home / how) == content(tmp_path / how)
    assert shared.training_flops == apart.training_flops
    assert rows[0] == 8  # those of steps 2, 4 and 6 were there
    saved = json.loads((home / how / BEGINNING).read_text())
    assert saved["step"] == 6 and 0 < saved["training_flops"] < apart.training_flops
    assert shared.seconds > saved["seconds"] > 0


def test_only_runs_that_are_the_same_until_they_grow_share(home: Path) -> None:
    key = beginning_key(config_of(), 0)

    assert key is not None
    assert key == beginning_key(config_of("gradmax", "round_robin"), 0)
    others = [
        beginning_key(config_of(), 1),
        beginning_key(config_of(when={"schedule": {"steps": [8, 10]}}), 0),
        beginning_key(config_of(budget={"width": 2.0}), 0),
        beginning_key(RunConfig.model_validate({**CONFIG, "network": {**CONFIG["network"], "width": 0.5}}), 0),
    ]
    assert key not in others and None not in others
    assert beginning_key(config_of(when={"never": {}}), 0) is None
    assert beginning_key(config_of(when={"singular_value": {}}), 0) is None  # it looks at what would be grown


def test_a_damaged_beginning_is_trained_again(home: Path, tmp_path: Path) -> None:
    run_one(config_of(), 0, tmp_path / "one", "cpu", shared=tmp_path)
    [kept] = beginnings_folder(tmp_path).iterdir()
    content_ = bytearray(kept.read_bytes())
    content_[len(content_) // 2] ^= 1
    kept.write_bytes(content_)

    run_one(config_of("random"), 0, tmp_path / "two", "cpu", shared=tmp_path)

    assert not (tmp_path / "two" / BEGINNING).exists()


def test_a_run_that_has_begun_keeps_its_own_checkpoint(home: Path, tmp_path: Path) -> None:
    import torch

    from growsearch.training.loop import TrainingRun

    (tmp_path / "own").mkdir()
    run = TrainingRun(config_of("split"), 0, tmp_path / "own", "cpu", lambda event: None)
    run.train(until=9)
    run.save()
    run.close()

    run_one(config_of("split"), 0, tmp_path / "own", "cpu", shared=home)

    assert not (tmp_path / "own" / BEGINNING).exists()
    assert load_checkpoint(tmp_path / "own" / "checkpoint.pt", torch.device("cpu")) is None


def test_a_comparison_says_what_was_spared_and_leaves_nothing_behind(tmp_path: Path) -> None:
    policies = {how: {"growth": {"how": {how: {}}}} for how in ("zero", "random", "split")}
    config = RunConfig.model_validate({**CONFIG, "policies": policies, "controls": []})

    found = compare(config, tmp_path, "cpu", workers=1)

    assert found["spared"]["runs"] == 2
    own = [json.loads((run_of(tmp_path, how, 0) / "result.json").read_text()) for how in policies]
    assert len({one["training_flops"] for one in own}) < 4 and found["spared"]["training_flops"] > 0
    assert spared_sentence(found["spared"]).startswith("2 runs went on from a beginning")  # type: ignore[union-attr]
    assert not beginnings_folder(tmp_path).exists()
    assert spared_sentence(None) is None


def test_runs_that_keep_their_beginning_at_the_same_moment_do_not_disturb_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one writes, another puts its own in place and the comparison ends: neither is an error."""
    written = beginnings.write_tensors

    def meanwhile(path: Path, content: dict[str, Any]) -> None:
        written(beginnings_folder(tmp_path) / path.name.rpartition(".")[0], content)
        written(path, content)

    monkeypatch.setattr(beginnings, "write_tensors", meanwhile)
    run_one(config_of(), 0, tmp_path / "one", "cpu", shared=tmp_path)
    assert [path.suffix for path in beginnings_folder(tmp_path).iterdir()] == [".pt"]

    def gone(path: Path, content: dict[str, Any]) -> None:
        raise FileNotFoundError(path)

    monkeypatch.setattr(beginnings, "write_tensors", gone)
    assert run_one(config_of(), 1, tmp_path / "two", "cpu", shared=tmp_path).seed == 1
