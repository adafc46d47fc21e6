"""The launchers call the program as it is: with options that exist, signals that arrive, and names that are there."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from growsearch.cli import app

LAUNCHERS = Path(__file__).resolve().parents[2] / "docs" / "launchers"
SLURM = LAUNCHERS / "slurm.sh"
LOCAL = LAUNCHERS / "local.sh"
RAY_SLURM = LAUNCHERS / "ray-slurm.sh"
PATIENCE = 10
BASH = shutil.which("bash")

needs_bash = pytest.mark.skipif(BASH is None, reason="there is no bash")

PROGRAM = """#!/bin/bash
trap 'sleep 0.2; echo checkpoint >> "$RECORD/done"; exit "${ENDS:-130}"' TERM
echo "${PGPASSWORD:-}" > "$RECORD/password"
printf '%s\\n' "$@" > "$RECORD/arguments"
touch "$RECORD/ready"
[ -z "${EARLY:-}" ] || kill -s "$EARLY" "$PPID"
[ -z "${WORKS:-}" ] || while true; do sleep 0.05; done
exit "${CODE:-0}"
"""
SRUN = """#!/bin/bash
echo "srun $*" >> "$RECORD/done"
while [ "$1" != -- ]; do shift; done
shift
[ "$1" = growsearch ] && shift
printf '%s\\n' "$@" > "$RECORD/arguments"
"""
NOTE = """#!/bin/bash
echo "$(basename "$0") $*" >> "$RECORD/done"
"""
INITDB = """#!/bin/bash
echo "initdb $*" >> "$RECORD/done"
mkdir -p "$2"
"""


def parse(words: list[str]) -> dict[str, Any]:
    """What the program makes of a command line, without running it; the command's name is under `command`."""
    name, *arguments = words
    command = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]  # a group of commands
    with command.make_context(name, arguments) as context:
        return {"command": name, **context.params}


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """A folder in which the pretended programs write what they are told."""
    folder = tmp_path / "record"
    folder.mkdir()
    return folder


@pytest.fixture
def start(tmp_path: Path, record: Path) -> Iterator[Start]:
    """Start a script where all programs that it needs are pretended ones."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in {"growsearch": PROGRAM, "scontrol": NOTE, "pg_ctl": NOTE, "initdb": INITDB, "srun": SRUN}.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    begun: list[subprocess.Popen[str]] = []

    def run(script: Path, *arguments: object, **variables: str) -> subprocess.Popen[str]:
        slurm = {"SLURM_JOB_ID": "17", "SLURM_ARRAY_JOB_ID": "16", "SLURM_ARRAY_TASK_ID": "1"}
        path = f"{programs}{os.pathsep}{os.environ['PATH']}"
        environment = {**os.environ, **slurm, "SLURM_CPUS_PER_TASK": "3", "PATH": path, "RECORD": str(record)}
        environment.pop("PGPORT", None)
        process = subprocess.Popen(
            [str(BASH), str(script), *map(str, arguments)],
            env={**environment, **variables},
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        begun.append(process)
        return process

    yield run
    for process in begun:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def wait_for(path: Path) -> None:
    until = time.monotonic() + PATIENCE
    while not path.exists():
        assert time.monotonic() < until, f"{path} does not come"
        time.sleep(0.02)


def called(record: Path) -> dict[str, Any]:
    """What the pretended growsearch was told, as the real one understands it."""
    return parse((record / "arguments").read_text().splitlines())


def done(record: Path) -> list[str]:
    """What happened in a script, line by line."""
    path = record / "done"
    return path.read_text().splitlines() if path.exists() else []


@needs_bash
@pytest.mark.parametrize("script", [SLURM, LOCAL, RAY_SLURM], ids=lambda script: script.name)
def test_a_script_is_bash_and_can_be_run(script: Path) -> None:
    assert subprocess.run([str(BASH), "-n", script], capture_output=True, text=True).stderr == ""
    assert os.access(script, os.X_OK)


@needs_bash
def test_slurm_starts_a_worker_on_the_study(start: Start, record: Path) -> None:
    process = start(SLURM, "postgresql://me@db/studies", "cifar10", "/shared/runs/c 10", "--slots", "4")
    _, said = process.communicate(timeout=PATIENCE)

    assert (process.returncode, said, done(record)) == (0, "", [])
    found = called(record)
    assert (found["command"], found["storage"], found["study"]) == ("worker", "postgresql://me@db/studies", "cifar10")
    assert (found["out"], found["slots"]) == (Path("/shared/runs/c 10"), 4)


@needs_bash
@pytest.mark.parametrize(
    ("sent", "ends", "after"),
    [
        (signal.SIGTERM, "130", ["checkpoint"]),  # preempted or cancelled: SLURM knows what is next
        (signal.SIGUSR1, "130", ["checkpoint", "scontrol requeue 17"]),  # the time limit is near
        (signal.SIGUSR1, "0", ["checkpoint"]),  # nothing was left of the study
        (signal.SIGUSR1, "3", ["checkpoint"]),  # it cannot work
    ],
)
def test_slurm_lets_a_worker_hand_its_trial_on(
    start: Start, record: Path, sent: signal.Signals, ends: str, after: list[str]
) -> None:
    process = start(SLURM, "s", "n", "d", WORKS="yes", ENDS=ends)
    wait_for(record / "ready")
    process.send_signal(sent)
    _, said = process.communicate(timeout=PATIENCE)

    assert said == ""
    assert done(record) == after
    assert process.returncode == int(ends)


@needs_bash
@pytest.mark.parametrize(("sent", "more"), [("TERM", []), ("USR1", ["scontrol requeue 17"])])
def test_slurm_hands_on_what_comes_while_its_worker_starts(
    start: Start, record: Path, tmp_path: Path, sent: str, more: list[str]
) -> None:
    slowly = tmp_path / "slowly"  # every command of the script takes longer than its worker needs to get ready
    slowly.write_text("case $0 in *slurm.sh) trap 'sleep 0.2' DEBUG ;; esac\n")

    process = start(SLURM, "s", "n", "d", WORKS="yes", EARLY=sent, BASH_ENV=str(slowly))
    process.communicate(timeout=3 * PATIENCE)

    assert done(record) == ["checkpoint", *more]
    assert process.returncode == 130


@needs_bash
def test_slurm_ends_as_its_worker_does(start: Start, record: Path) -> None:
    process = start(SLURM, "s", "n", "d", CODE="2")
    process.communicate(timeout=PATIENCE)

    assert (process.returncode, done(record)) == (2, [])


def test_slurm_warns_the_script_in_time_and_queues_again_what_it_preempts() -> None:
    options = re.findall(r"^#SBATCH --(\S+)$", SLURM.read_text(), re.MULTILINE)

    [seconds] = [int(option.partition("@")[2]) for option in options if option.startswith("signal=B:USR1@")]
    assert seconds >= 60
    assert {"requeue", "open-mode=append", "ntasks=1"} <= set(options)


@needs_bash
@pytest.mark.parametrize(
    ("script", "arguments"), [(SLURM, ["s", "n"]), (LOCAL, ["file"]), (LOCAL, ["f", "d", "redis"])]
)
def test_a_script_without_what_it_needs_says_how_it_is_used(start: Start, script: Path, arguments: list[str]) -> None:
    process = start(script, *arguments)
    _, said = process.communicate(timeout=PATIENCE)

    assert process.returncode == 2
    assert said.startswith("usage: ")


@needs_bash
def test_local_searches_with_a_journal(start: Start, record: Path) -> None:
    process = start(LOCAL, "digits_policies", "runs/digits", "journal", "--workers", "2", "--trials", "60")
    _, said = process.communicate(timeout=PATIENCE)

    assert (process.returncode, said, done(record)) == (0, "", [])
    found = called(record)
    assert (found["command"], found["file"], found["out"]) == ("search", "digits_policies", Path("runs/digits"))
    assert (found["storage"], found["workers"], found["trials"]) == (None, 2, 60)


@needs_bash
@pytest.mark.parametrize("code", ["0", "130"])
def test_local_runs_a_database_beside_the_search_and_stops_it(
    start: Start, record: Path, tmp_path: Path, code: str
) -> None:
    for _ in range(2):
        process = start(LOCAL, "digits_policies", "runs/digits", "postgresql", "--workers", "4", CODE=code)
        _, said = process.communicate(timeout=PATIENCE)
        assert (process.returncode, said) == (int(code), "")

    database = tmp_path / "runs" / "digits.postgresql"
    first, started, stopped, *again = done(record)
    assert first.startswith(f"initdb --pgdata {database}/data.new ")
    assert started.startswith(f"pg_ctl start --wait --pgdata {database}/data ")
    assert stopped == f"pg_ctl stop --pgdata {database}/data --mode fast"
    assert again == [started, stopped]  # the second time its data are there
    found = called(record)
    assert (found["storage"], found["study"]) == ("postgresql://growsearch@localhost:5433/postgres", "digits")
    password = (database / "password").read_text()
    assert len(password) == 32 and (record / "password").read_text() == password + "\n"
    assert database.stat().st_mode & 0o077 == 0


DOCUMENTS = list(yaml.safe_load_all((LAUNCHERS / "kubernetes.yaml").read_text()))


def pods() -> dict[str, dict[str, Any]]:
    """The pods of the documents, by kind and name."""
    found = {f"{one['kind']}/{one['metadata']['name']}": one.get("spec", {}).get("template") for one in DOCUMENTS}
    return {name: template for name, template in found.items() if template}


def containers() -> dict[str, dict[str, Any]]:
    """Containers that run growsearch, by their pod's kind and name."""
    every = {name: pod["spec"]["containers"] for name, pod in pods().items()}
    return {
        name: one for name, several in every.items() for one in several if one.get("command", [""])[0] == "growsearch"
    }


def named(kind: str) -> set[str]:
    return {one["metadata"]["name"] for one in DOCUMENTS if one["kind"] == kind}


def values(tree: Any, key: str) -> list[Any]:
    """What stands under a key, anywhere in a tree."""
    if isinstance(tree, dict):
        return [value for name, value in tree.items() if name == key] + [
            found for value in tree.values() for found in values(value, key)
        ]
    return [found for item in tree for found in values(item, key)] if isinstance(tree, list) else []


def test_kubernetes_runs_commands_that_exist() -> None:
    found = {name: parse([*one["command"], *one["args"]][1:]) for name, one in containers().items()}

    proxy, search, worker = found["Deployment/proxy"], found["Job/search"], found["Job/workers"]
    assert [one["command"] for one in (proxy, search, worker)] == ["proxy", "search", "worker"]
    assert (search["study"], search["out"]) == (worker["study"], worker["out"])
    assert search["storage"] == worker["storage"] == f"grpc://proxy:{proxy['port']}"
    assert proxy["host"] == "0.0.0.0"
    assert proxy["storage"].startswith("postgresql://growsearch@database:5432/")


def test_kubernetes_names_what_is_there() -> None:
    assert {one["name"] for one in values(DOCUMENTS, "secretKeyRef")} <= named("Secret")
    assert {one["key"] for one in values(DOCUMENTS, "secretKeyRef")} == {"password"}
    assert set(values(DOCUMENTS, "claimName")) == named("PersistentVolumeClaim")
    for pod in pods().values():
        mounted = {mount["name"] for mount in values(pod["spec"], "volumeMounts") for mount in mount}
        assert mounted == {volume["name"] for volume in pod["spec"].get("volumes", [])}
    labels = [pod["metadata"]["labels"] for pod in pods().values()]
    for service in (one for one in DOCUMENTS if one["kind"] == "Service"):
        assert any(service["spec"]["selector"].items() <= each.items() for each in labels)
    hosts = set(re.findall(r"(?:grpc://|@)(\w+):", str([one["args"] for one in containers().values()])))
    assert hosts == named("Service")


def test_kubernetes_shares_the_run_folder_and_gives_time_for_a_checkpoint() -> None:
    [shared] = [
        one for one in DOCUMENTS if one["kind"] == "PersistentVolumeClaim" and one["metadata"]["name"] == "runs"
    ]
    assert shared["spec"]["accessModes"] == ["ReadWriteMany"]

    for name in ("Job/search", "Job/workers"):
        pod = pods()[name]["spec"]
        assert pod["terminationGracePeriodSeconds"] >= 60
        [container] = pod["containers"]
        [mount] = container["volumeMounts"]
        out = parse([*container["command"], *container["args"]][1:])["out"]
        assert out.is_relative_to(mount["mountPath"])
        [volume] = pod["volumes"]
        assert volume["persistentVolumeClaim"]["claimName"] == "runs"


def test_kubernetes_keeps_the_password_out_of_command_lines() -> None:
    [secret] = [one for one in DOCUMENTS if one["kind"] == "Secret"]

    words = [word for one in containers().values() for word in [*one["command"], *one["args"]]]
    assert not [
        word for word in words if secret["stringData"]["password"] in word or re.search(r"://[^/@]*:[^/@]*@", word)
    ]


@needs_bash
def test_slurm_makes_a_cluster_of_its_nodes_and_starts_the_command_on_it(start: Start, record: Path) -> None:
    words = ["growsearch", "compare", "cifar10_policies", "--out", "/shared/runs/c 10"]
    process = start(RAY_SLURM, *words, SLURM_JOB_NODELIST="n[1-4]", SLURM_NNODES="4", SLURM_GPUS_PER_NODE="2")
    _, said = process.communicate(timeout=PATIENCE)

    assert (process.returncode, said) == (0, "")
    [_, srun] = done(record)
    assert "--nodes=4 --ntasks=4 ray symmetric-run" in srun
    assert "--min-nodes 4 --num-cpus=3 --num-gpus=2" in srun
    found = called(record)
    assert (found["command"], found["file"], found["out"]) == ("compare", "cifar10_policies", Path("/shared/runs/c 10"))
    assert found["executor"] == "ray" and found["address"].endswith(":6379")


def test_the_ray_job_calls_the_program_as_it_is() -> None:
    job = yaml.safe_load((LAUNCHERS / "rayjob.yaml").read_text())

    program, *words = job["spec"]["entrypoint"].split()

    assert job["kind"] == "RayJob" and program == "growsearch"
    assert parse(words)["executor"] == "ray"
    groups = [job["spec"]["rayClusterSpec"]["headGroupSpec"], *job["spec"]["rayClusterSpec"]["workerGroupSpecs"]]
    for group in groups:
        pod = group["template"]["spec"]
        assert pod["volumes"][0]["name"] == pod["containers"][0]["volumeMounts"][0]["name"]
        assert parse(words)["out"].is_relative_to(pod["containers"][0]["volumeMounts"][0]["mountPath"])
