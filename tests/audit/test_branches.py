"""Branches go on exactly from the state before the event, and those of one seed differ in the event alone."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from growsearch.audit import Audit, audit_event, parse_variants
from growsearch.audit.branch import BranchJob
from growsearch.audit.repeat import state_before
from growsearch.audit.target import Target, find_run
from growsearch.execution.job import OfRun
from growsearch.runs.events import BranchFinished, JobsStarted, Progress, RepetitionFinished
from growsearch.runs.lines import read_lines
from growsearch.training import TrainingRun, run_one
from growsearch.training.checkpoint import load_checkpoint
from growsearch.training.gradients import Gradients
from tests.audit.conftest import EVENTS, SMALL, Make, config
from tests.watching import Told, is_kind, of_kind


def audited(target: Target, number: int = 1, **options: Any) -> Audit:
    settings = {"seeds": 1, "device": "cpu", "workers": 1, **options}
    how, where = settings.pop("how", []), settings.pop("where", [])
    return audit_event(target, number, parse_variants(how, where), **settings)


@pytest.mark.parametrize("number", [1, 2])
def test_with_the_event_repeats_the_recorded_run_bit_for_bit(run: Make, number: int) -> None:
    target = run()
    recorded = {row.step: row for row in target.rows}

    found = audited(target, number)

    assert found.repetition.equal
    assert found.reproduced is True
    [rows] = found.branch("with").rows
    common = [row for row in rows[1:] if row["step"] + found.step in recorded]
    assert len(common) >= 1
    for row in common:
        theirs = recorded[row["step"] + found.step]
        if theirs.step != EVENTS[-1] and (number == 2 or theirs.step < EVENTS[1]):
            assert row["validation_loss"] == theirs.value("validation_loss")
    [effect] = found.branch("with").effects
    assert effect is not None
    assert effect.sites == target.event(number).sites
    assert effect.measured_change == target.event(number).measured_change


def test_the_training_loss_is_of_the_steps_after_the_event(run: Make) -> None:
    # Every step sees all samples, so the run has a row at each.
    data = {"name": "teacher_student", "inputs": 4, "hidden": 6, "outputs": 3, "samples": 50}
    training = {"steps": 24, "batch_size": 0, "optimizer": {"name": "sgd", "lr": 0.05}}
    target = run(data=data, training=training)
    recorded = {row.step: row.train_loss for row in target.rows}

    found = audited(target, 1, steps=7)

    assert found.metric == "train_loss"
    [rows] = found.branch("with").rows
    assert [row["train_loss"] for row in rows[1:]] == [recorded[found.step + step] for step in range(1, 8)]


def test_what_the_run_recorded_otherwise_is_seen_not_to_be_repeated(run: Make) -> None:
    target = run()
    path = target.folder / "metrics.jsonl"
    lines = path.read_text().splitlines()
    lines[0] = lines[0].replace('"train_loss": ', '"train_loss": 1')
    path.write_text("\n".join(lines) + "\n")

    found = audited(find_run(target.folder.parents[1]))

    assert not found.repetition.equal
    assert (found.repetition.step, found.repetition.key) == (5, "train_loss")


def test_branches_of_a_seed_see_the_same_samples_and_those_of_another_see_others(
    run: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = run()
    seen: dict[tuple[str, int], list[float]] = {}
    current: list[tuple[str, int]] = []
    run_branch, step = BranchJob.run, Gradients.__call__

    def watched_run(self: BranchJob, progress: Progress) -> None:
        current[:] = [(self.variant.name, self.seed)]
        run_branch(self, progress)

    def watched_step(self: Gradients, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        weights = torch.arange(1.0, len(targets) + 1)
        if current:
            seen.setdefault(current[0], []).append(float((inputs.flatten(1).sum(1) * weights).sum()))
        return step(self, inputs, targets)

    monkeypatch.setattr(BranchJob, "run", watched_run)
    monkeypatch.setattr(Gradients, "__call__", watched_step)

    audited(target, seeds=2, how=["random", "zero"], where=["random"])

    names = {name for name, _ in seen}
    assert names == {"with", "without", "how random", "how zero", "where random"}
    for seed in (0, 1):
        assert {tuple(seen[name, seed]) for name in names} == {tuple(seen["with", seed])}
    assert set(seen["with", 0]).isdisjoint(seen["with", 1])


def test_an_event_that_keeps_the_function_is_worth_nothing_where_nothing_is_learnt(run: Make) -> None:
    training = {"steps": 24, "batch_size": 256, "optimizer": {"name": "sgd", "lr": 1e-30}}

    found = audited(run(training=training), seeds=6, how=["zero"])

    for metric in ("train_loss", "validation_loss", "validation_accuracy"):
        for pair in found.compared(metric).pairs:
            assert pair.mean_difference == pytest.approx(0, abs=1e-7)
            assert pair.direction is None
    for effect in found.branch("how zero").effects:
        assert effect is not None
        assert effect.measured_change == pytest.approx(0, abs=1e-6)


def test_a_branch_grows_once_at_most(run: Make) -> None:
    target = run()

    found = audited(target, 1, steps=16)

    assert target.event(2).step < found.step + found.steps
    assert found.branch("with").parameters == [target.event(1).parameters_after]
    assert found.branch("without").parameters == [target.event(1).parameters_before]
    assert found.branch("without").effects == [None]
    assert found.branch("without").training_flops < found.branch("with").training_flops


def test_other_strategies_take_the_place_of_the_events_own(run: Make) -> None:
    target = run(network={"name": "mlp", "hidden": [4, 4]})

    found = audited(target, how=["split", "random:{scale: 2.0}"], where=["round_robin"])

    assert [(one.where, one.how) for one in found.branches[2:]] == [
        ("uniform", "split"),
        ("uniform", "random"),
        ("round_robin", "gradmax"),
    ]
    assert len(found.branch("where round_robin").effects[0].sites) == 1  # type: ignore[union-attr]
    assert len(found.branch("with").effects[0].sites) == 2  # type: ignore[union-attr]


def test_a_state_made_from_that_of_an_earlier_event_is_the_one_made_from_the_seed(run: Make, tmp_path: Path) -> None:
    target = run()

    def state(number: int) -> dict[str, Any]:
        path, found = state_before(target, number, "cpu", lambda event: None)
        assert found.equal
        return load_checkpoint(path, torch.device("cpu")) or {}

    from_the_seed = state(2)
    (target.audit_folder(2) / "before.pt").unlink()
    state(1)
    steps: list[int] = []
    path, found = state_before(target, 2, "cpu", lambda event: steps.append(event.step))
    again = load_checkpoint(path, torch.device("cpu")) or {}

    assert min(steps) == EVENTS[0]  # it began there
    assert found.rows == 3  # at 5, 10 and 15
    assert all(tensor.equal(again["model"][name]) for name, tensor in from_the_seed["model"].items())
    assert again["grower"]["progress"] == from_the_seed["grower"]["progress"]
    assert again["batches"]["position"] == from_the_seed["batches"]["position"]


def test_a_run_that_is_still_going_is_repeated_from_its_checkpoint(tmp_path: Path) -> None:
    whole = config().policy_configs()["run"]
    finished = tmp_path / "whole"
    run_one(whole, 0, finished / "run" / "seed-0", "cpu")
    going = tmp_path / "going" / "run" / "seed-0"
    going.mkdir(parents=True)
    begun = TrainingRun(whole, 0, going, "cpu", lambda event: None)
    begun.train(12)
    begun.save()
    begun.train(18)
    begun.close()
    (tmp_path / "going" / "config.yaml").write_text(yaml.safe_dump(whole.to_dict()))
    target = find_run(tmp_path / "going")
    steps: list[int] = []

    state_before(target, 2, "cpu", lambda event: steps.append(event.step))
    found = audited(target, 2, steps=8)

    assert min(steps) == 12
    last = read_lines(finished / "run" / "seed-0" / "metrics.jsonl")[-1]
    assert found.branch("with").rows[0][-1]["validation_loss"] == last["validation_loss"]


def test_an_interrupted_audit_keeps_its_finished_branches(run: Make) -> None:
    target = run()
    finished: list[str] = []

    def interrupt(told: Told) -> None:
        if isinstance(told, OfRun) and is_kind(told, BranchFinished):
            finished.append(told.policy)
            if len(finished) == 3:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        audited(target, seeds=2, progress=interrupt)
    kept = {path: path.stat().st_mtime_ns for path in target.audit_folder(1).glob("branches/*.json")}
    events: list[Told] = []
    found = audited(target, seeds=2, progress=events.append)

    assert len(kept) == 3
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())
    assert events[0] == JobsStarted(runs=4, finished=3, workers=1, what="branches")
    assert [told.policy for told in of_kind(events, BranchFinished)] == ["without"]
    assert of_kind(events, RepetitionFinished) == []
    assert [one.seeds for one in found.branches] == [[0, 1], [0, 1]]
    assert audited(target, seeds=2) == found


def test_another_horizon_makes_other_branches_beside_the_old_ones(run: Make) -> None:
    target = run()
    audited(target, steps=4)

    found = audited(target, steps=6)

    assert found.branch("with").rows[0][-1]["step"] == 6
    assert len(list(target.audit_folder(1).glob("branches/*.json"))) == 4


def test_branches_in_processes_are_those_of_this_process(run: Make, tmp_path: Path) -> None:
    target = run()

    here = audited(target, workers=1)
    for path in target.audit_folder(1).glob("branches/*.json"):
        path.unlink()
    there = audited(target, workers=2)

    def values(found: Audit) -> Any:
        return [[{**row, "seconds": 0} for row in rows] for one in found.branches for rows in one.rows]

    assert values(here) == values(there)


def test_a_branch_that_cannot_grow_fails_alone(run: Make) -> None:
    target = run(
        network={"name": "mlp", "hidden": [4], "activation": "sigmoid"}, growth={**SMALL["growth"], "how": {"zero": {}}}
    )

    found = audited(target, how=["gradmax", "random"])

    assert [failure["policy"] for failure in found.failures] == ["how gradmax"]
    assert found.branch("how random").seeds == [0]
    assert found.branch("how gradmax").seeds == []
    assert asdict(found)["failures"][0]["reason"]
