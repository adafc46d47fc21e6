"""What TensorBoard and MLflow are told can be read back from them, once for each step."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from growsearch.config import RunConfig
from growsearch.runs.lines import read_lines
from growsearch.training import run_one
from tests.loggers.conftest import ROWS, interrupted
from tests.runs.examples import GROWN, ROW

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy")

Points = dict[str, list[tuple[int, float]]]
LOGGERS = ("tensorboard", "mlflow")


def read(logger: str, folder: Path) -> Points:
    """Steps and values by name, in the order in which they were written."""
    if logger == "tensorboard":
        events = event_file(folder)
        return {tag: [(one.step, one.value) for one in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
    client, run = mlflow_run(folder)
    history = {key: client.get_metric_history(run.info.run_id, key) for key in run.data.metrics}
    return {key: [(one.step, one.value) for one in points] for key, points in history.items()}


def event_file(folder: Path) -> Any:
    accumulator: Any = EventAccumulator(str(folder), purge_orphaned_data=False)
    return accumulator.Reload()


def mlflow_run(folder: Path) -> tuple[Any, Any]:
    client = MlflowClient()
    return client, client.get_run(json.loads((folder / "mlflow.json").read_text())["run"])


@pytest.mark.parametrize("logger", LOGGERS)
def test_rows_growth_and_result(config: RunConfig, store: str, tmp_path: Path, logger: str) -> None:
    result = run_one(config, 3, tmp_path / "run", "cpu", loggers=[logger])

    found = read(logger, tmp_path / "run")
    rows = read_lines(tmp_path / "run" / "metrics.jsonl")
    assert [row["step"] for row in rows] == ROWS
    for name in ("train_loss", "validation_loss", "validation_accuracy", "parameters", "training_flops", "lr"):
        assert found[name] == [(row["step"], pytest.approx(row[name])) for row in rows]
    events = read_lines(tmp_path / "run" / "growth.jsonl")
    assert [event["step"] for event in events] == [8, 16]
    for name in ("parameters_before", "parameters_after", "flops_after", "measured_change"):
        assert found[f"growth/{name}"] == [(event["step"], pytest.approx(event[name])) for event in events]
    assert found["growth/units/1"] == [(8, 2), (16, 2)]
    assert found["final/test_accuracy"] == [(24, pytest.approx(result.metrics["test_accuracy"]))]
    assert found["final/widths/1"] == [(24, 7)]


def test_tensorboard_has_the_configuration_and_growth_in_words(config: RunConfig, tmp_path: Path) -> None:
    run_one(config, 3, tmp_path, "cpu", loggers=["tensorboard"])

    events = event_file(tmp_path)
    texts = [one.tensor_proto.string_val[0].decode() for one in events.Tensors("growth/text_summary")]
    sizes = [(one["parameters_before"], one["parameters_after"]) for one in read_lines(tmp_path / "growth.jsonl")]
    assert [text.partition(", predicted")[0] for text in texts] == [
        f"schedule + uniform + gradmax: +2 units in 1 ({before:,} to {after:,} parameters)" for before, after in sizes
    ]
    [started] = [one for name, one in events.summary_metadata.items() if name == "_hparams_/session_start_info"]
    content = started.plugin_data.content
    assert b"training.optimizer.lr" in content and b"schedule" in content


def test_mlflow_has_the_configuration_the_name_and_the_state(
    config: RunConfig, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "digits")
    folder = tmp_path / "quick" / "gradmax" / "seed-3"

    run_one(config, 3, folder, "cpu", loggers=["mlflow"])

    client, run = mlflow_run(folder)
    assert run.info.run_name == "quick/gradmax/seed-3"
    assert run.info.status == "FINISHED"
    assert client.get_experiment(run.info.experiment_id).name == "digits"
    assert run.data.params["training.optimizer.lr"] == "0.05"
    assert run.data.params["growth.when.schedule.steps"] == "[8, 16]"
    assert run.data.params["seed"] == "3"
    assert run.data.tags["growsearch.folder"] == str(folder)


@pytest.mark.parametrize("logger", LOGGERS)
@pytest.mark.parametrize("logged_before", [True, False])
def test_a_resumed_run_is_logged_whole_and_once(
    config: RunConfig, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logger: str, logged_before: bool
) -> None:
    monkeypatch.setattr("growsearch.training.loop.CHECKPOINT_SECONDS", 0.0)
    folder = tmp_path / "run"
    interrupted(config, folder, 18, [logger] if logged_before else [])
    if logged_before:
        assert [step for step, _ in read(logger, folder)["train_loss"]] == [9, 18]
        assert [step for step, _ in read(logger, folder)["growth/parameters_after"]] == [8, 16]

    run_one(config, 3, folder, "cpu", loggers=[logger])

    found = read(logger, folder)
    assert [step for step, _ in found["train_loss"]] == ROWS
    assert [step for step, _ in found["growth/parameters_after"]] == [8, 16]
    assert [step for step, _ in found["final/test_loss"]] == [24]
    if logger == "mlflow":
        client, run = mlflow_run(folder)
        assert run.info.status == "FINISHED"
        assert len(client.search_runs([run.info.experiment_id])) == 1


def test_mlflow_begins_a_run_of_its_own_for_another_configuration(
    config: RunConfig, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("growsearch.training.loop.CHECKPOINT_SECONDS", 0.0)
    interrupted(config, tmp_path / "run", 18, ["mlflow"])
    _, first = mlflow_run(tmp_path / "run")

    run_one(config, 4, tmp_path / "run", "cpu", loggers=["mlflow"])

    client, second = mlflow_run(tmp_path / "run")
    assert second.info.run_id != first.info.run_id
    assert client.get_run(first.info.run_id).info.status == "KILLED"
    assert [step for step, _ in read("mlflow", tmp_path / "run")["train_loss"]] == ROWS


def test_a_deleted_mlflow_run_is_replaced(
    config: RunConfig, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("growsearch.training.loop.CHECKPOINT_SECONDS", 0.0)
    interrupted(config, tmp_path / "run", 18, ["mlflow"])
    client, first = mlflow_run(tmp_path / "run")
    client.delete_run(first.info.run_id)

    run_one(config, 3, tmp_path / "run", "cpu", loggers=["mlflow"])

    assert [step for step, _ in read("mlflow", tmp_path / "run")["train_loss"]] == ROWS


def test_a_refused_growth_and_real_sizes_are_logged(tmp_path: Path) -> None:
    from growsearch.loggers.base import LoggedRun, growth_words
    from growsearch.loggers.tensorboard import TensorBoardLogger

    logger = TensorBoardLogger(LoggedRun(tmp_path, {}, 0, ""))
    logger.row(replace(ROW, step=3, sizes={"1": 2.5}))
    logger.close()

    refused = replace(GROWN, refused="it would change the outputs")
    assert growth_words(refused) == "interval + uniform + zero: growth refused: it would change the outputs"
    assert read("tensorboard", tmp_path)["sizes/1"] == [(3, 2.5)]
