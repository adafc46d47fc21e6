"""A Ray cluster of two nodes, simulated on this machine: seconds to begin with, so few tests share it."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from growsearch.comparison.compare import compare
from growsearch.config import RunConfig, load_config, load_space
from growsearch.errors import CannotWrite, GrowsearchError, InputError
from growsearch.execution.cluster import Cluster, Connection, connected
from growsearch.execution.cluster.attempts import MOST_DEATHS, Crew, _Attempt
from growsearch.execution.cluster.connection import Need
from growsearch.execution.cluster.guest import surroundings
from growsearch.execution.job import Failure, Job
from growsearch.execution.waiting import Waiting
from growsearch.runs.environment import read_environment
from growsearch.runs.events import RunFailed, RunFinished, RunMoved
from growsearch.search import search
from tests.cluster.jobs import ToldJob, deadly_train, hungry_train
from tests.watching import Told, of_kind

ray = pytest.importorskip("ray", reason="needs the extra cluster")

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def nodes() -> Generator[Any]:
    """A cluster whose first node, the driver's, takes no runs; it has two others of one core each."""
    from ray.cluster_utils import Cluster as Simulated

    made = Simulated(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    made.add_node(num_cpus=1), made.add_node(num_cpus=1)
    yield made
    made.shutdown()


@pytest.fixture
def connection(nodes: Any) -> Generator[Connection]:
    with connected(Cluster(nodes.address)) as made:
        yield made


def told_job(folder: Path, name: str, config: RunConfig, **told: Any) -> ToldJob:
    return ToldJob(name, 0, config, folder / name, "cpu", **told)


def results(folder: Path) -> dict[str, Any]:
    """Every run's result, without times."""
    found = {}
    for path in sorted(folder.rglob("result.json")):
        plain = json.loads(path.read_text())
        found[str(path.relative_to(folder))] = {
            k: v for k, v in plain.items() if k not in ("seconds", "growth_seconds")
        }
    return found


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_comparison_has_the_same_bits_as_on_one_machine(
    nodes: Any, comparison: Callable[..., RunConfig], tmp_path: Path
) -> None:
    config = comparison(seeds=1, controls=[])
    compare(config, tmp_path / "here", "cpu", workers=1)

    events: list[Told] = []
    found = compare(config, tmp_path / "there", "cpu", progress=events.append, cluster=Cluster(nodes.address))

    assert found["failures"] == []
    finished = of_kind(events, RunFinished)
    assert {(told.policy, told.seed) for told in finished} == {("small", 0), ("zero", 0)}
    assert results(tmp_path / "there") == results(tmp_path / "here")
    environment = read_environment(tmp_path / "there")
    assert environment.threads_per_worker == 1 and len(environment.nodes) == 1  # two names of one host
    assert not list((tmp_path / "there").glob(".driver-*"))


def test_what_dies_is_tried_again_and_given_up_where_it_always_dies(
    connection: Connection, comparison: Callable[..., RunConfig], tmp_path: Path
) -> None:
    config = comparison()
    events: list[Told] = []
    jobs: list[Job] = [
        told_job(tmp_path, "once", config, deaths=1),
        told_job(tmp_path, "always", config, deaths=99),
    ]

    with surroundings(tmp_path) as setting:
        failures = Crew(connection, setting, Need(), events.append).run(jobs)

    assert [(failure.policy, failure.reason) for failure in failures] == [
        ("always", f"its process died, {MOST_DEATHS} times")
    ]
    assert (tmp_path / "once" / "done").exists()
    assert [told.policy for told in of_kind(events, RunMoved)].count("once") == 1
    assert [told.policy for told in of_kind(events, RunFailed)] == ["always"]


def test_a_run_goes_on_elsewhere_when_its_node_dies_also_on_one_that_joins_late(
    nodes: Any, connection: Connection, comparison: Callable[..., RunConfig], tmp_path: Path
) -> None:
    job = told_job(tmp_path, "long", comparison(), seconds=4.0)
    events: list[Told] = []
    failures: list[Failure] = []

    def run() -> None:
        with surroundings(tmp_path) as setting:
            failures.extend(Crew(connection, setting, Need(cpus=2), events.append).run([job]))

    running = threading.Thread(target=run)
    running.start()  # no node has two cores yet
    first = nodes.add_node(num_cpus=2)
    wait_for(lambda: (job.folder / "attempt-0").exists())
    second = nodes.add_node(num_cpus=2)
    nodes.remove_node(first, allow_graceful=False)
    running.join(60)
    nodes.remove_node(second, allow_graceful=False)

    assert not running.is_alive()
    assert failures == [] and (job.folder / "done").exists()
    assert [told.event for told in of_kind(events, RunMoved)] == [RunMoved("its node was lost")]
    assert (job.folder / "attempt-0").read_text() != (job.folder / "attempt-1").read_text()


def test_a_node_on_which_runs_fail_at_once_gets_none_any_more(
    connection: Connection, comparison: Callable[..., RunConfig], tmp_path: Path
) -> None:
    jobs: list[Job] = [told_job(tmp_path, f"run-{index}", comparison(), picky=True) for index in range(3)]

    with surroundings(tmp_path) as setting:
        failures = Crew(connection, setting, Need(), lambda told: None, most=1).run(jobs)

    assert failures == [] and all((job.folder / "done").exists() for job in jobs)
    bad = (tmp_path / "bad").read_text()
    assert connection.strikes[bad] + 3 * (bad in connection.excluded) > 0


def test_an_attempt_goes_anywhere_where_the_nodes_that_it_may_go_to_are_gone(
    connection: Connection, comparison: Callable[..., RunConfig], tmp_path: Path
) -> None:
    with surroundings(tmp_path) as setting:
        crew = Crew(connection, setting, Need(), lambda told: None)
        waiting = told_job(tmp_path, "run", comparison())
        again = [_Attempt(0, waiting, avoid=frozenset(connection.fits(Need())))]
        crew._look_at_nodes(again)
        crew._submit(Waiting([]), again)
        assert again == []

        crew._looked = -math.inf
        crew._look_at_nodes(again)

    assert [one.avoid for one in again] == [frozenset()] and not crew._running
    assert not (tmp_path / "run").exists()


def test_nodes_with_other_versions_or_without_the_folder_are_named(
    connection: Connection, comparison: Callable[..., RunConfig], tmp_path: Path
) -> None:
    jobs: list[Job] = [told_job(tmp_path, "run", comparison())]
    with surroundings(tmp_path) as setting:
        other = replace(setting, versions=(*setting.versions[:-1], ("numpy", "1.0")))
        with pytest.raises(GrowsearchError, match=r"it has numpy .* \(the driver has 1.0\).*: it has numpy"):
            Crew(connection, other, Need(), lambda told: None).run(jobs)
        connection.excluded.clear()
        away = replace(setting, folder=Path("/nowhere"))
        with pytest.raises(GrowsearchError, match="the run folder /nowhere is not there: put it on a file system"):
            Crew(connection, away, Need(), lambda told: None).run(jobs)
    assert not (tmp_path / "run").exists()


def test_an_interrupt_ends_what_runs(
    connection: Connection, comparison: Callable[..., RunConfig], tmp_path: Path
) -> None:
    job = told_job(tmp_path, "long", comparison(), seconds=60.0)

    def interrupt(told: Told) -> None:
        raise KeyboardInterrupt

    with surroundings(tmp_path) as setting, pytest.raises(KeyboardInterrupt):
        Crew(connection, setting, Need(), interrupt).run([job])

    ray = connection.ray
    wait_for(lambda: ray.available_resources().get("CPU") == ray.cluster_resources()["CPU"])
    assert not (job.folder / "done").exists()


def test_a_full_disk_ends_all_with_one_message(
    connection: Connection, comparison: Callable[..., RunConfig], tmp_path: Path
) -> None:
    jobs: list[Job] = [
        told_job(tmp_path, "full", comparison(), full=True),
        told_job(tmp_path, "long", comparison(), seconds=60.0),
    ]

    with surroundings(tmp_path) as setting, pytest.raises(CannotWrite, match=f"{tmp_path / 'full'}: cannot be written"):
        Crew(connection, setting, Need(), lambda told: None).run(jobs)

    assert not (tmp_path / "long" / "done").exists()


def test_a_search_has_its_trials_on_the_nodes_and_goes_on_when_a_worker_is_killed(nodes: Any, tmp_path: Path) -> None:
    space = load_space(
        "digits_policies",
        ["search.budget={trials: 4}", "search.race=none", "search.baselines=false", "search.pruner=none"],
    )

    found = search(space, tmp_path / "run", "cpu", train=deadly_train, cluster=Cluster(nodes.address))

    assert [trial["state"] for trial in found["trials"]] == ["complete"] * 4
    assert found["ended_by"] == "budget" and read_environment(tmp_path / "run").nodes


def test_a_trial_that_runs_out_of_memory_on_its_node_is_told_so_and_the_search_goes_on(
    nodes: Any, tmp_path: Path
) -> None:
    space = load_space(
        "digits_policies",
        ["search.budget={trials: 4}", "search.race=none", "search.baselines=false", "search.pruner=none"],
    )

    found = search(space, tmp_path / "run", "cpu", train=hungry_train, cluster=Cluster(nodes.address))

    assert [trial["state"] for trial in found["trials"]].count("complete") == 3
    [failure] = found["failures"]
    assert failure["trial"] == 1 and "out of memory: cannot allocate 8 GB" in failure["reason"]


LONG = """
data: {name: teacher_student, inputs: 4, hidden: 6, outputs: 3, samples: 50}
network: {name: mlp, hidden: [3], bias: false}
training: {steps: 6000, batch_size: 0, optimizer: {name: sgd, lr: 0.01}, rows: 200}
growth: {when: {interval: {every: 2000, count: 2}}, how: {zero: {}}, budget: {units: 2}}
policies: {small: {growth: {when: {never: {}}}}, zero: {}}
controls: []
"""


def test_what_a_killed_driver_left_behind_ends_and_the_comparison_goes_on_to_the_same_bits(
    nodes: Any, connection: Connection, tmp_path: Path
) -> None:
    file, there = tmp_path / "long.yaml", tmp_path / "there"
    file.write_text(LONG)
    command = ["compare", str(file), "--out", str(there), "--quiet", "--executor", "ray", "--address", nodes.address]
    driver = subprocess.Popen([sys.executable, "-m", "growsearch", *command])
    wait_for(lambda: any(path.stat().st_size for path in there.rglob("metrics.jsonl")))
    driver.kill()
    driver.wait()

    ray = connection.ray
    wait_for(lambda: ray.available_resources().get("CPU") == ray.cluster_resources()["CPU"])
    assert not list(there.rglob("results.json"))
    config = load_config(file)
    found = compare(config, there, "cpu", cluster=Cluster(nodes.address))

    compare(config, tmp_path / "here", "cpu", workers=1)
    assert found["failures"] == []
    assert results(there) == results(tmp_path / "here")


def test_a_cluster_that_is_not_there_and_a_gpu_that_it_has_not_are_the_users_affair(
    connection: Connection, comparison: Callable[..., RunConfig], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="no node of the cluster has a GPU: use --device cpu, or auto"):
        connection.device("cuda")
    with pytest.raises(InputError, match="on a cluster each run is trained on one device"):
        compare(comparison(), tmp_path, "cpu", devices=2, cluster=Cluster())


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("127.0.0.1:1", "nothing answers there .*: start a cluster with `ray start --head`"),
        ("ray://127.0.0.1:10001", "is no address of a Ray cluster"),
        ("somewhere", r"is no address of a Ray cluster \(allowed: HOST:PORT as `ray start` prints it, auto"),
    ],
)
def test_an_address_at_which_no_cluster_is(address: str, said: str) -> None:
    with pytest.raises(InputError, match=f"--address {address}: {said}"), connected(Cluster(address)):
        pass
