"""A full disk, a read-only folder, one of somebody else: one message with the path, exit code 2, in every command."""

from __future__ import annotations

import errno
import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import typer
import yaml

from growsearch.cli import app
from growsearch.cli.handling import handled
from growsearch.comparison import compare
from growsearch.config import load_config
from growsearch.errors import CannotWrite
from growsearch.runs.lines import LineLog, read_lines
from growsearch.training.tensor_file import read_tensors, write_tensors
from tests.cli.conftest import Run
from tests.comparison.conftest import SMALL

SPACE = {
    **{key: value for key, value in SMALL.items() if key not in ("policies", "seeds")},
    "training": {**SMALL["training"], "optimizer": {"name": "sgd", "lr": {"type": "float", "low": 0.01, "high": 0.1}}},
    "search": {"budget": {"trials": 2}, "race": "none", "baselines": False, "objectives": [{"minimize": "train_loss"}]},
}
WRITES = {
    "compare": ["compare", "{file}", "--out", "{out}", "--workers", 1],
    "run": ["run", "{file}", "--policy", "zero", "--out", "{out}", "--workers", 1],
    "search": ["search", "{space}", "--out", "{out}", "--workers", 1],
    "resume": ["resume", "{run}", "--workers", 1],
    "audit": ["audit", "{run}", "--policy", "zero", "--seed", 0, "--event", 1, "--seeds", 1, "--workers", 1],
    "audit --all": ["audit", "{run}", "--policy", "zero", "--seed", 0, "--all"],
    "report": ["report", "{run}"],
    "report csv": ["report", "{run}", "--format", "csv", "--out", "{out}"],
    "export": ["export", "{run}", "--policy", "zero", "--seed", 0],
    "export torch": ["export", "{run}", "--policy", "zero", "--seed", 0, "--format", "torch", "--out", "{out}"],
    "inspect": ["inspect", "{file}", "--svg", "{out}/network.svg"],
    "init": ["init", "{out}/mine.yaml"],
    "new": ["new", "data", "my_thing", "--out", "{out}/my_thing"],
    "schema": ["schema", "--out", "{out}/schema.json"],
}
READS = {
    "validate",
    "strategies",
    "dashboard",
    "proxy",
    "worker",
    "watch",
    "diff",
    "doctor",
    "list",
}  # `worker` writes as `search` does: see tests/search
ELSEWHERE = {"upscale"}  # tests/upscaling


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("whole")
    (home / "file.yaml").write_text(yaml.safe_dump({**SMALL, "seeds": 1}))
    (home / "space.yaml").write_text(yaml.safe_dump(SPACE))
    compare(load_config(str(home / "file.yaml")), home / "run", "cpu", workers=1)
    (home / "out").mkdir()
    return home


@pytest.fixture
def home(whole: Path, tmp_path: Path) -> Path:
    return shutil.copytree(whole, tmp_path / "home")


class Disk:
    """Lets nothing below a folder be written any more, from its `after`-th write on."""

    def __init__(self, folder: Path, number: int, after: int, patch: pytest.MonkeyPatch) -> None:
        self._folder, self._number, self._left = str(folder), number, after
        self.refused: list[str] = []
        self._open, self._io_open, self._mkdir = os.open, io.open, os.mkdir
        patch.setattr("os.open", self._os_open)
        patch.setattr("io.open", self._opened)
        patch.setattr("builtins.open", self._opened)
        patch.setattr("os.mkdir", self._made)

    def _require_room(self, path: Any, named: bool) -> None:
        if not isinstance(path, int) and os.path.abspath(os.fspath(path)).startswith(self._folder):
            self._left -= 1
            if self._left < 0:
                self.refused.append(str(path))
                raise OSError(self._number, os.strerror(self._number), *([os.fspath(path)] if named else []))

    def _os_open(self, path: Any, flags: int, *rest: Any, **named: Any) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR):
            self._require_room(path, named=True)
        return self._open(path, flags, *rest, **named)

    def _opened(self, file: Any, mode: str = "r", *rest: Any, **named: Any) -> Any:
        if set(mode) & set("wax+"):
            self._require_room(file, named=False)  # as `write` fails, which does not know the path
        return self._io_open(file, mode, *rest, **named)

    def _made(self, path: Any, *rest: Any, **named: Any) -> None:
        self._require_room(path, named=True)
        self._mkdir(path, *rest, **named)


def test_every_command_is_here() -> None:
    known = {one.name or one.callback.__name__ for one in app.registered_commands if one.callback is not None}

    assert {name.split()[0] for name in WRITES} | READS | ELSEWHERE == known


def left(home: Path) -> list[str]:
    """What a command may not leave half-written."""
    return [str(path) for path in home.rglob("*") if path.name.endswith((".partial", ".next", ".kept"))]


def arguments(command: str, home: Path) -> list[str]:
    places = {"file": home / "file.yaml", "space": home / "space.yaml", "run": home / "run", "out": home / "out"}
    return [str(part).format(**places) for part in WRITES[command]]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
@pytest.mark.parametrize("command", WRITES)
def test_what_cannot_be_written_is_named(
    growsearch: Run, home: Path, monkeypatch: pytest.MonkeyPatch, command: str, number: int
) -> None:
    if command == "resume":
        (home / "run/zero/seed-0/result.json").unlink()
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    disk = Disk(home, number, 0, monkeypatch)

    result = growsearch(*arguments(command, home))

    require_one_message(result, disk, home, number)
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == before


def require_one_message(result: Any, disk: Disk, home: Path, number: int) -> None:
    assert result.exit_code == 2, (result.stderr, result.exception)
    [message] = [line for line in result.stderr.splitlines() if line.startswith(("error:", "failed:"))]
    said = "the disk is full: make room, then run the same again" if number == errno.ENOSPC else os.strerror(number)
    assert str(home) in message and f"cannot be written: {said}" in message, message
    assert "Traceback" not in result.stderr and disk.refused


@pytest.mark.parametrize(("command", "after"), [("compare", 1), ("compare", 10), ("search", 3), ("search", 16)])
def test_a_disk_that_fills_up_ends_a_command_which_then_goes_on(
    growsearch: Run, home: Path, command: str, after: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        disk = Disk(home, errno.ENOSPC, after, patch)
        result = growsearch(*arguments(command, home))
    require_one_message(result, disk, home, errno.ENOSPC)
    assert left(home) == []

    again = growsearch(*arguments(command, home))

    assert again.exit_code == 0, again.stderr
    assert (home / "out/report.html").exists() and not list((home / "out").rglob("failure.txt"))


def test_output_that_cannot_be_written_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr("growsearch.cli.handling.say", told.append)
    monkeypatch.setattr("growsearch.cli.handling._drop_output", lambda: None)

    def full() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(typer.Exit) as ended:
        handled(full)()

    assert ended.value.exit_code == 2
    assert told == ["error: standard output: No space left on device"]


def test_a_row_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = LineLog(tmp_path / "log")
    log.append({"row": 1})
    with monkeypatch.context() as patch:
        patch.setattr(log, "_file", Partly(log._file))
        with pytest.raises(CannotWrite, match="log: cannot be written: the disk is full"):
            log.append({"row": 2})
    log.close()

    assert (tmp_path / "log").read_bytes() == b'{"row": 1}\n'
    assert read_lines(tmp_path / "log") == [{"row": 1}]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("size", [1, 100_000])
def test_a_checkpoint_on_a_full_disk_is_named_although_torch_hides_the_reason(tmp_path: Path, size: int) -> None:
    path = tmp_path / "checkpoint.pt"
    write_tensors(path, {"before": torch.ones(3)})
    (tmp_path / "checkpoint.pt.partial").symlink_to("/dev/full")

    with pytest.raises(CannotWrite, match="checkpoint.pt: cannot be written: the disk is full: make room"):
        write_tensors(path, {"after": torch.ones(size)})

    assert [found.name for found in tmp_path.iterdir()] == ["checkpoint.pt"]
    assert list(read_tensors(path, torch.device("cpu"))) == ["before"]


class Partly:
    """A file that takes half of what it is given."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.truncate: Callable[[int], int] = file.truncate

    def write(self, data: bytes) -> int:
        return int(self._file.write(data[: len(data) // 2]))
