"""A run killed at any step and resumed equals the uninterrupted run, bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from growsearch.config import RunConfig
from growsearch.errors import DamageWarning
from growsearch.runs.events import RowDone, RunEvent, RunFinished
from growsearch.runs.lines import read_lines
from growsearch.training import TrainingRun, load_network, run_one
from growsearch.training.threads import threads

TIMES = ("seconds", "growth_seconds")
GROWTH_STEPS = (8, 16)

DIGITS = {"name": "digits"}
CNN = {"name": "small_cnn", "channels": [2, 4, 4]}


@pytest.fixture
def growing(student: Callable[..., RunConfig]) -> Callable[..., RunConfig]:
    """Make a configuration that grows at steps 8 and 16."""

    def make(how: str, where: str = "round_robin", more: dict[str, Any] | None = None, **sections: Any) -> RunConfig:
        growth: dict[str, Any] = {
            "when": {"schedule": {"steps": list(GROWTH_STEPS)}},
            "where": {where: {}},
            "how": {how: {}},
            "budget": {"units": 4},
            "amount": 0.5,
            "statistics": {"batch_size": 16},
            **(more or {}),
        }
        return student(growth=growth, **sections)

    return make


def start(config: RunConfig, folder: Path) -> TrainingRun:
    folder.mkdir(parents=True, exist_ok=True)
    return TrainingRun(config, 3, folder, "cpu", lambda event: None)


def without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_times(item) for key, item in value.items() if key not in TIMES}
    return [without_times(item) for item in value] if isinstance(value, list) else value


def outcome(run: TrainingRun, folder: Path) -> tuple[dict[str, torch.Tensor], list[Any], Any]:
    """Everything that has to be equal: tensors of the model and the optimizer, and all that was written."""
    tensors = dict(run.setup.model.state_dict())
    names = {id(parameter): name for name, parameter in run.setup.model.named_parameters()}
    for parameter, state in run.setup.optimizer.state.items():
        tensors |= {f"{names[id(parameter)]}.{key}": torch.as_tensor(value) for key, value in state.items()}
    result = run.finish()
    run.close()
    lines = read_lines(folder / "metrics.jsonl") + read_lines(folder / "growth.jsonl")
    return tensors, without_times(lines), without_times(result.plain())


def assert_equal(one: tuple[Any, ...], other: tuple[Any, ...]) -> None:
    assert one[0].keys() == other[0].keys()
    assert [name for name in one[0] if not one[0][name].equal(other[0][name])] == []
    assert one[1:] == other[1:]


def uninterrupted(config: RunConfig, folder: Path) -> tuple[Any, ...]:
    run = start(config, folder)
    run.train()
    return outcome(run, folder)


def killed_and_resumed(config: RunConfig, folder: Path, step: int) -> tuple[Any, ...]:
    """Checkpoint at `step`, train on, vanish, and resume."""
    run = start(config, folder)
    run.train(step)
    run.save()
    run.train(step + 9)
    run.close()
    run = start(config, folder)
    assert run.counters.step == step
    run.train()
    return outcome(run, folder)


def test_learning_rates_of_cohorts_and_a_warm_up_are_resumed(growing: Callable[..., RunConfig], tmp_path: Path) -> None:
    rates = {"learning_rate": "cohort", "rewarm": {"steps": 5, "scope": "all"}}
    config, plain = growing("random", more={"new_units": rates}), growing("random")

    whole = uninterrupted(config, tmp_path / "whole")

    assert_equal(killed_and_resumed(config, tmp_path / "killed", 10), whole)
    other = uninterrupted(plain, tmp_path / "plain")
    assert not all(whole[0][name].equal(other[0][name]) for name in whole[0])


@pytest.mark.parametrize("step", [1, 7, 8, 9, 15, 16, 23])
def test_killed_at_any_step(growing: Callable[..., RunConfig], tmp_path: Path, step: int) -> None:
    config = growing("gradmax")

    expected = uninterrupted(config, tmp_path / "whole")

    assert len([line for line in expected[1] if "how" in line]) == len(GROWTH_STEPS)
    assert_equal(killed_and_resumed(config, tmp_path / "parts", step), expected)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "nadam", "rmsprop", "adagrad"])
def test_any_optimizer(growing: Callable[..., RunConfig], tmp_path: Path, optimizer: str) -> None:
    training = {
        "epochs": 8,
        "batch_size": 17,
        "optimizer": {"name": optimizer, "lr": 0.01},
        "schedule": {"name": "cosine"},
    }
    config = growing("random", training=training)

    expected = uninterrupted(config, tmp_path / "whole")

    assert_equal(killed_and_resumed(config, tmp_path / "parts", 10), expected)


@pytest.mark.parametrize("how", ["gradmax", "split", "identity"])
def test_convolutions_on_augmented_images(growing: Callable[..., RunConfig], tmp_path: Path, how: str) -> None:
    training = {
        "steps": 20,
        "batch_size": 16,
        "optimizer": {"name": "sgd", "lr": 0.05, "momentum": 0.9},
        "augment": {"pad": 1, "flip": True},
    }
    config = growing(how, where="uniform", data=DIGITS, network=CNN, training=training)

    expected = uninterrupted(config, tmp_path / "whole")

    assert [line for line in expected[1] if "how" in line and line["refused"] is None]
    assert_equal(killed_and_resumed(config, tmp_path / "parts", 12), expected)


def test_a_run_that_crashes_goes_on_from_its_checkpoint(
    growing: Callable[..., RunConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = growing("gradmax")
    expected = run_one(config, 3, tmp_path / "whole")
    monkeypatch.setattr("growsearch.training.loop.CHECKPOINT_SECONDS", 0.0)

    def crash(event: RunEvent) -> None:
        if isinstance(event, RowDone) and event.row.step == 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_one(config, 3, tmp_path / "parts", progress=crash)
    assert (tmp_path / "parts" / "checkpoint.pt").exists()
    result = run_one(config, 3, tmp_path / "parts")

    assert without_times(result.plain()) == without_times(expected.plain())
    assert [row["step"] for row in read_lines(tmp_path / "parts" / "metrics.jsonl")] == list(range(3, 25, 3))
    assert not (tmp_path / "parts" / "checkpoint.pt").exists()


def test_a_resume_that_reads_other_data_is_seen_to_differ(growing: Callable[..., RunConfig], tmp_path: Path) -> None:
    config = growing("gradmax")
    expected = uninterrupted(config, tmp_path / "whole")
    run = start(config, tmp_path / "parts")
    run.train(10)
    run.save()
    run.close()
    run = start(config, tmp_path / "parts")
    run.setup.batches.load_state_dict({**run.setup.batches.state_dict(), "position": 0})
    run.train()

    with pytest.raises(AssertionError):
        assert_equal(outcome(run, tmp_path / "parts"), expected)


def test_a_checkpoint_of_another_configuration_is_not_continued(
    growing: Callable[..., RunConfig], tmp_path: Path
) -> None:
    run = start(growing("gradmax"), tmp_path)
    run.train(10)
    run.save()
    run.close()

    run = start(growing("random"), tmp_path)

    assert run.counters.step == 0
    assert read_lines(tmp_path / "metrics.jsonl") == []
    run.close()


def test_a_finished_run_is_not_run_again(growing: Callable[..., RunConfig], tmp_path: Path) -> None:
    config = growing("gradmax")
    first = run_one(config, 3, tmp_path)
    events: list[RunEvent] = []

    assert run_one(config, 3, tmp_path, progress=events.append) == first
    assert events == [RunFinished(first)]


def test_a_resumed_run_uses_as_many_threads_as_it_was_begun_with(
    growing: Callable[..., RunConfig], tmp_path: Path
) -> None:
    used: list[int] = []
    with threads(2):
        run = start(growing("gradmax"), tmp_path)
        run.train(9)
        run.save()
        run.close()

    result = run_one(growing("gradmax"), 3, tmp_path, "cpu", lambda _: used.append(torch.get_num_threads()))

    assert result.threads == 2 and set(used[:-1]) == {2} and torch.get_num_threads() == 1


@pytest.mark.parametrize("name", ["metrics.jsonl", "growth.jsonl", "checkpoint.pt"])
def test_an_interrupted_run_with_a_damaged_file_begins_anew_or_goes_on_from_the_checkpoint_before(
    growing: Callable[..., RunConfig], tmp_path: Path, name: str
) -> None:
    config = growing("gradmax")
    expected = uninterrupted(config, tmp_path / "whole")
    run = start(config, tmp_path / "cut")
    for until in (9, 17):
        run.train(until)
        run.save()
    run.close()
    damaged = tmp_path / "cut" / name
    damaged.write_bytes(b"x" + damaged.read_bytes()[1:])
    behaviour = "going on from checkpoint.pt.previous" if name == "checkpoint.pt" else "begins anew"

    with pytest.warns(DamageWarning, match=rf"{name}.*is damaged.*{behaviour}"):
        result = run_one(config, 3, tmp_path / "cut", "cpu")

    assert without_times(result.plain()) == expected[2]
    assert not list((tmp_path / "cut").glob("checkpoint*"))


@pytest.mark.parametrize("how", ["gradmax", "identity"])
def test_the_grown_network_is_loaded_from_its_folder(
    growing: Callable[..., RunConfig], tmp_path: Path, how: str
) -> None:
    training = {"steps": 18, "batch_size": 16, "optimizer": {"name": "sgd", "lr": 0.05}}
    config = growing(how, where="uniform", data=DIGITS, network=CNN, training=training)
    run = start(config, tmp_path)
    run.train()
    run.finish()
    run.close()
    inputs = run.setup.statistics.first(5)[0]

    loaded = load_network(tmp_path)

    assert not loaded.training
    expected = run.setup.model.state_dict()
    assert loaded.state_dict().keys() == expected.keys()
    assert all(tensor.equal(expected[name]) for name, tensor in loaded.state_dict().items())
    torch.testing.assert_close(loaded(inputs), run.setup.model.eval()(inputs))
