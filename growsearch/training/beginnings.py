"""What runs have in common before they first grow, trained once: those that differ in where and how to grow only.

Until its first event, a run depends on its data, network, training and scheduler, not on what it grows with. So each
row of metrics before that leaves a checkpoint for others, who go on from it as if they had trained that far themselves:
to the same bits, with the same FLOPs and seconds booked.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from growsearch.config import RunConfig
from growsearch.growth.strategy import Scheduler
from growsearch.number_format import human
from growsearch.registry import lookup
from growsearch.runs.files import write_atomically, write_json
from growsearch.runs.layout import BEGINNING, CHECKPOINT, GROWTH, METRICS, RESULT, beginning_file
from growsearch.runs.reading import DamagedFile, read_json, record_of
from growsearch.runs.records import MetricsRow
from growsearch.training.checkpoint import previous_of, save_checkpoint
from growsearch.training.hooks import TrainingHooks
from growsearch.training.loop import TrainingRun
from growsearch.training.result import fingerprint
from growsearch.training.tensor_file import read_tensors, write_tensors

_REST = 20  # times as long as keeping a checkpoint took there is training before the next


@dataclass(frozen=True)
class Beginning:
    """What a run was spared, because another had trained its first steps already."""

    step: int
    training_flops: float
    seconds: float


def beginning_key(config: RunConfig, seed: int) -> str | None:
    """Equal for runs that are the same until they first grow; None where nothing grows, or the scheduler looks at what
    would be grown."""
    growth = config.growth
    if not growth.grows or growth.soft is not None:
        return None
    schedulers = [lookup("when", name) for name in growth.when]
    if any(getattr(one, "watches", None) is not Scheduler.watches for one in schedulers):
        return None
    shared = config.model_copy(update={"growth": growth.model_copy(update={"where": {"*": {}}, "how": {"*": {}}})})
    return fingerprint(shared, seed)


class SharedBeginning(TrainingHooks):
    """The beginning that a run shares with others of its folder; a hook of its training keeps it for them."""

    def __init__(self, home: Path, config: RunConfig, seed: int) -> None:
        """Look for it.

        Args:
            home: folder of the runs.
            config: of the run.
            seed: of the run.
        """
        key = beginning_key(config, seed)
        self._path = beginning_file(home, key) if key is not None else None
        self._fingerprint = fingerprint(config, seed)
        self._next = 0.0

    def adopt(self, folder: Path) -> Beginning | None:
        """Let a run that has not begun go on from there; what it is spared, None where there is nothing to go on from.

        A damaged file is passed over: the run trains its beginning itself.
        """
        begun = any(path.exists() for path in (folder / RESULT, folder / CHECKPOINT, previous_of(folder / CHECKPOINT)))
        if self._path is None or begun or not self._path.exists():
            return None
        try:
            state = read_tensors(self._path, torch.device("cpu"))
        except (DamagedFile, FileNotFoundError):
            return None
        rows = state.pop("rows")
        write_atomically(folder / METRICS, lambda file: file.write(rows.encode()))
        save_checkpoint(folder / CHECKPOINT, {**state, "config": self._fingerprint})
        counters = state["counters"]
        found = Beginning(counters["step"], counters["training_flops"], counters["seconds"])
        write_json(folder / BEGINNING, asdict(found))
        return found

    def on_row(self, run: TrainingRun, row: MetricsRow) -> None:
        """Keep the run as it is now for others, where it has not grown or tried to."""
        started = time.perf_counter()
        grown = run.counters.growth_events > 0
        if self._path is None or grown or started < self._next or row.step >= run.setup.total_steps:
            return
        state = run.state()
        if state is None or state["lines"].get(GROWTH, 0):  # a growth that was refused is there too
            return
        rows = (run.folder / METRICS).read_bytes()[: state["lines"][METRICS]].decode()
        grower = {**state["grower"], "policy": None}  # whoever goes on from here grows by strategies of its own
        own = self._path.with_name(f"{self._path.name}.{uuid.uuid4().hex}")  # others may keep theirs at this moment
        with suppress(OSError):  # it only saves time
            self._path.parent.mkdir(exist_ok=True)
            write_tensors(own, {**state, "grower": grower, "rows": rows})
            os.replace(own, self._path)
        now = time.perf_counter()
        self._next = now + _REST * (now - started)


def spared(folders: Iterable[Path]) -> dict[str, float] | None:
    """How many of some runs went on from a beginning that another had trained, and what that saved; None for none."""
    found = [record_of(Beginning, read_json(path), str(path)) for one in folders if (path := one / BEGINNING).exists()]
    if not found:
        return None
    flops, seconds = sum(one.training_flops for one in found), sum(one.seconds for one in found)
    return {"runs": len(found), "training_flops": flops, "seconds": seconds}


def spared_sentence(saved: Mapping[str, float] | None) -> str | None:
    """The same in words."""
    if saved is None:
        return None
    count = f"{saved['runs']:.0f} run{'s' if saved['runs'] > 1 else ''}"
    return (
        f"{count} went on from a beginning that another had trained: {human(saved['training_flops'])} training FLOPs "
        f"and {saved['seconds']:.3g} s were not spent again, and are counted as if they were."
    )
