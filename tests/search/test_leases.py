"""A trial whose worker is gone is gone on with by another, once."""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from growsearch.config import SearchBudget, SearchConfig
from growsearch.runs.events import RunStarted
from growsearch.search.leases import HEARTBEATS, MOST_DEATHS, Lease, Watch, requeue, worker_name
from growsearch.search.monitor import Monitor, Runner
from growsearch.search.queue import fill, finished, is_done, take
from growsearch.search.storage import open_storage
from growsearch.search.study import Plan, Study, counts, create_study, find_study
from tests.search.conftest import dead_process

LEASE = 0.2


@pytest.fixture
def study(tmp_path: Path) -> Study:
    made = create_study(open_storage(str(tmp_path / "journal")), "s", Plan({}, SearchConfig(lease=LEASE), {}), tmp_path)
    fill(made, SearchBudget(trials=3), {})
    return made


def elsewhere() -> str:
    return "another machine:1:abc"


def begin(study: Study, worker: str) -> FrozenTrial:
    """Take a trial and give one heartbeat."""
    trial_id = take(study, worker_name())
    assert trial_id is not None
    study.storage.set_trial_user_attr(trial_id, "lease", {"worker": worker, "beat": 1})
    return study.storage.get_trial(trial_id)


def test_a_trial_is_taken_by_one_worker_only(study: Study, tmp_path: Path) -> None:
    other = find_study(open_storage(str(tmp_path / "journal")), "s")
    assert other is not None

    taken = [
        take(study, worker_name()),
        take(other, worker_name()),
        take(study, worker_name()),
        take(other, worker_name()),
    ]

    assert len(set(taken[:3])) == 3
    assert taken[3] is None


class FakeClock:
    """A clock that stands still until it is put forward."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_lease_runs_out_when_there_is_no_heartbeat(study: Study) -> None:
    trial, clock = begin(study, elsewhere()), FakeClock()
    watch = Watch(study, clock)

    assert watch.requeue_abandoned() == 0
    clock.now += LEASE
    assert watch.requeue_abandoned() == 0
    clock.now += 0.001
    assert watch.requeue_abandoned() == 1

    before, after = study.storage.get_trial(trial._trial_id), study.trials()[-1]
    assert before.state == TrialState.FAIL and not counts(before)
    assert after.state == TrialState.WAITING and after.user_attrs["resume_of"] == trial.number


def test_a_lease_does_not_run_out_while_heartbeats_are_given(study: Study) -> None:
    trial_id, clock = take(study, worker_name()), FakeClock()
    assert trial_id is not None
    watch, lease = Watch(study, clock), Lease(study, trial_id, elsewhere(), clock)
    for _ in range(6):
        lease.beat()
        assert watch.requeue_abandoned() == 0
        clock.now += 0.9 * LEASE
    assert not lease.lost.is_set()


def test_a_watcher_looks_no_more_often_than_heartbeats_are_given(study: Study) -> None:
    begin(study, worker_name().replace(f":{os.getpid()}:", f":{dead_process()}:"))
    clock = FakeClock()
    watch = Watch(study, clock)
    watch.requeue_abandoned()
    begin(study, worker_name().replace(f":{os.getpid()}:", f":{dead_process()}:"))

    waiting = [trial.state for trial in study.trials()].count(TrialState.WAITING)
    clock.now += 0.9 * LEASE / HEARTBEATS
    watch.look_now_and_then()
    assert [trial.state for trial in study.trials()].count(TrialState.WAITING) == waiting
    clock.now += 0.2 * LEASE / HEARTBEATS
    watch.look_now_and_then()
    assert [trial.state for trial in study.trials()].count(TrialState.WAITING) == waiting + 1


def test_getting_on_is_told_but_not_at_every_moment(study: Study) -> None:
    trial_id, clock = take(study, worker_name()), FakeClock()
    assert trial_id is not None
    lease = Lease(study, trial_id, elsewhere(), clock)
    told = []

    for _ in range(4):
        lease.got_on()
        told.append(study.storage.get_trial(trial_id).user_attrs["lease"]["beat"])
        clock.now += 0.06  # a moment is 0.1 seconds

    assert told == [1, 1, 2, 2]


def test_a_lease_gives_heartbeats_by_itself(study: Study) -> None:
    trial_id = take(study, worker_name())
    assert trial_id is not None
    until = time.monotonic() + 30
    with Lease(study, trial_id, elsewhere()):
        while study.storage.get_trial(trial_id).user_attrs["lease"]["beat"] < 3:
            assert time.monotonic() < until
            time.sleep(0.01)


def test_a_dead_process_of_this_machine_is_known_at_once(study: Study) -> None:
    begin(study, worker_name().replace(f":{os.getpid()}:", f":{dead_process()}:"))

    assert Watch(study).requeue_abandoned() == 1


def test_a_living_process_of_this_machine_is_left_alone(study: Study) -> None:
    begin(study, worker_name())

    assert Watch(study).requeue_abandoned() == 0


def test_several_watchers_queue_it_once(study: Study, tmp_path: Path) -> None:
    trial = begin(study, elsewhere())
    other = find_study(open_storage(str(tmp_path / "journal")), "s")
    assert other is not None

    for one in (study, other, study):
        requeue(one, trial, died=True)

    assert [one.user_attrs.get("resume_of") for one in study.trials()].count(trial.number) == 1


def test_one_that_was_ended_but_not_queued_again_is_found(study: Study) -> None:
    trial = begin(study, elsewhere())
    study.storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)  # and then its watcher died

    for _ in range(2):
        Watch(study).requeue_abandoned()

    assert [one.user_attrs.get("resume_of") for one in study.trials()].count(trial.number) == 1


def test_what_was_interrupted_is_taken_before_what_is_new(study: Study) -> None:
    trial = begin(study, elsewhere())
    requeue(study, trial, died=False)

    taken = take(study, worker_name())

    assert taken is not None
    assert study.storage.get_trial(taken).user_attrs["resume_of"] == trial.number


def test_a_trial_that_kills_its_workers_is_given_up_with_the_reason(study: Study) -> None:
    for _ in range(MOST_DEATHS):
        requeue(study, begin(study, elsewhere()), died=True)

    failed = [trial for trial in study.trials() if "reason" in trial.user_attrs]
    assert [trial.user_attrs["reason"] for trial in failed] == [
        f"{MOST_DEATHS} workers died at the same place of it, perhaps because memory ran out"
    ]
    assert finished(study.trials()) == failed
    assert not is_done(study)


def test_a_trial_that_gets_further_each_time_is_not_given_up(study: Study) -> None:
    for step in range(2 * MOST_DEATHS):
        trial = begin(study, elsewhere())
        heartbeat = {"worker": elsewhere(), "beat": 2, "reached": [0, step]}
        study.storage.set_trial_user_attr(trial._trial_id, "lease", heartbeat)
        requeue(study, study.storage.get_trial(trial._trial_id), died=True)

    assert not [trial for trial in study.trials() if "reason" in trial.user_attrs]
    assert [trial.state for trial in study.trials()].count(TrialState.WAITING) == 1


def test_a_trial_whose_workers_die_between_two_rows_gets_further_with_every_checkpoint(study: Study) -> None:
    runner = cast(Runner, SimpleNamespace(study=study, watch=lambda: None))
    for step in range(2 * MOST_DEATHS):
        trial = begin(study, elsewhere())
        lease = Lease(study, trial._trial_id, elsewhere())
        monitor = Monitor(runner, optuna.Trial(study.optuna(), trial._trial_id), lease, 0)
        monitor(RunStarted(step, total_steps=1000, parameters=5))
        requeue(study, study.storage.get_trial(trial._trial_id), died=True)

    assert not [trial for trial in study.trials() if "reason" in trial.user_attrs]


def test_a_new_trial_has_its_worker_before_its_first_heartbeat(study: Study) -> None:
    trial_id = take(study, worker_name())

    assert trial_id is not None
    assert study.storage.get_trial(trial_id).user_attrs["lease"]["worker"].split(":")[1] == str(os.getpid())


def test_a_worker_learns_that_its_trial_was_given_to_another(study: Study) -> None:
    trial_id = take(study, worker_name())
    assert trial_id is not None
    with Lease(study, trial_id, elsewhere()) as lease:
        requeue(study, study.storage.get_trial(trial_id), died=True)
        assert lease.lost.wait(5)


def test_a_line_that_was_cut_off_by_a_kill_is_mended(study: Study, tmp_path: Path) -> None:
    with (tmp_path / "journal").open("ab") as file:
        file.write(b'{"op_code": 4, "worker_id": "dead", "study_')

    fill(study, SearchBudget(trials=5), {})

    again = find_study(open_storage(str(tmp_path / "journal")), "s")
    assert again is not None
    assert again.ends() == (SearchBudget(trials=5), None)


def test_no_trial_is_begun_beyond_the_number_that_is_wanted(study: Study) -> None:
    begin(study, worker_name())

    fill(study, SearchBudget(trials=2), {})

    assert [take(study, worker_name()) is None for _ in range(3)] == [False, True, True]
    assert [trial.state for trial in study.trials()] == [TrialState.RUNNING] * 2


def test_a_study_is_not_done_before_its_first_trial(tmp_path: Path) -> None:
    plan = Plan({}, SearchConfig(budget=SearchBudget(trials=2)), {})
    created = create_study(open_storage(str(tmp_path / "new")), "s", plan, tmp_path)

    assert not is_done(created)
    assert take(created, worker_name()) is not None
