"""One branch with one seed: the state before the event, an event of some kind or none, and training from there."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from growsearch.audit.measure import Measurement
from growsearch.audit.repeat import without_logs
from growsearch.audit.variant import Variant
from growsearch.errors import GrowsearchError, GrowthFailed
from growsearch.execution.job import Job
from growsearch.growth import Grower
from growsearch.runs.files import write_json
from growsearch.runs.layout import CHECKPOINT, GROWTH
from growsearch.runs.lines import read_lines
from growsearch.training import Progress, TrainingRun
from growsearch.training.checkpoint import load_checkpoint, save_checkpoint

_STREAM = 1_000_003  # between the random numbers of two seeds
_PASSES = 1_000  # passes over the statistics batches between two seeds
_NEVER = 1 << 62


@dataclass(frozen=True, kw_only=True)
class BranchJob(Job):
    """A branch to run: `folder` is where it works, `result` the file that it leaves.

    `seed` is the branch's, `run_seed` the run's. `marks` are the steps since the event at which it is evaluated.
    """

    variant: Variant
    snapshot: Path
    result: Path
    run_seed: int
    step: int
    marks: tuple[int, ...]

    def run(self, progress: Progress) -> None:
        """Train the branch to its end; an interrupted one begins anew."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        state = load_checkpoint(self.snapshot, torch.device("cpu"))
        if state is None:
            raise GrowsearchError(f"{self.snapshot} has vanished: run the audit again")
        save_checkpoint(self.folder / CHECKPOINT, reseeded(without_logs(state), self.seed))
        run = BranchRun(self.config, self.run_seed, self.folder, self.device, self._watched(progress))
        progress({"kind": "started", "step": 0, "total_steps": self.marks[-1]})
        try:
            result = run.result(self)
        finally:
            run.close()
        write_json(self.result, result)
        shutil.rmtree(self.folder)
        progress({"kind": "finished", **result["rows"][-1]})

    def _watched(self, progress: Progress) -> Progress:
        """Steps, counted from the event; nothing else of a branch is news."""

        def watch(event: dict[str, Any]) -> None:
            if event["kind"] == "step":
                progress({"kind": "step", "step": event["step"] - self.step, "total_steps": self.marks[-1]})

        return watch

    def finished(self) -> dict[str, Any] | None:
        """The result where the branch is finished already."""
        found: dict[str, Any] | None = json.loads(self.result.read_text()) if self.result.exists() else None
        return found


class BranchRun(TrainingRun):
    """A run that goes on from a snapshot: it grows at most once, at once, and is evaluated where it is asked."""

    def result(self, job: BranchJob) -> dict[str, Any]:
        """Take the event's step, train on, and say what came out."""
        setup, counters = self.setup, self.counters
        grower = setup.grower
        if grower is None or counters.step != job.step:
            raise GrowsearchError(f"{job.snapshot} does not belong to step {job.step}: delete {job.snapshot.parent}")
        setup.rows_every = _NEVER
        flops, seconds = counters.training_flops, counters.seconds
        self._loss_sum.zero_()
        counters.samples_since_row = 0
        grower.policy = job.variant.policy(grower.policy, job.step)
        effect = self._event(grower, job.seed)
        rows = [{"step": 0, "train_loss": None, **self._evaluate(setup.validation, "validation")}]
        rows[0] |= {"training_flops": counters.training_flops - flops, "seconds": counters.seconds - seconds}
        for mark in job.marks:
            self.train(job.step + mark)
            rows.append(self._row(mark, flops, seconds))
        names = grower.policy.names
        return {
            "branch": job.variant.name,
            "seed": job.seed,
            "where": names.where,
            "how": names.how,
            "effect": effect,
            "parameters": self._parameters,
            "training_flops": counters.training_flops - flops,
            "rows": rows,
        }

    def save(self) -> None:
        """A branch is short: where it is interrupted it begins anew."""

    def _event(self, grower: Grower, seed: int) -> dict[str, Any] | None:
        """The growth of this branch, measured; None where it does not grow."""
        measurement = Measurement(self.setup, seed)
        self._grow(grower.step)
        lines = read_lines(self._folder / GROWTH)
        if not lines:
            return None
        if lines[0]["refused"] is not None:
            raise GrowthFailed(lines[0]["refused"])
        return asdict(measurement.finish(lines[0], grower.graph))

    def _row(self, mark: int, flops: int, seconds: float) -> dict[str, Any]:
        """How the branch stands, `mark` steps after the event."""
        setup, counters = self.setup, self.counters
        loss = self._loss_sum.item() / max(1, counters.samples_since_row)
        self._require_finite(loss, "training")
        self._loss_sum.zero_()
        counters.samples_since_row = 0
        return {
            "step": mark,
            "train_loss": loss,
            **self._evaluate(setup.validation, "validation"),
            "training_flops": counters.training_flops - flops,
            "seconds": counters.seconds - seconds,
        }

    def _write_row(self) -> None:
        """The rows of a branch are written at its own marks."""


def reseeded(state: dict[str, Any], seed: int) -> dict[str, Any]:
    """The state with other random numbers from here on; as it is for seed 0, which continues the run itself.

    Everything that is drawn changes: the order of the samples (as many are left of the epoch as there were), their
    augmentation, dropout, what growth steps look at, and what they draw themselves.
    """
    if seed == 0:
        return state

    def stream(place: int, device: str = "cpu") -> torch.Tensor:
        return torch.Generator(device).manual_seed(seed * _STREAM + place).get_state()

    cuda = state["rng"]["cuda"]
    return {
        **state,
        "batches": {**state["batches"], "order": stream(0), "augment": stream(1)},
        "grower": {**state["grower"], "generator": stream(2)},
        "rng": {"cpu": stream(3), "cuda": None if cuda is None else stream(4, "cuda")},
        "statistics_passes": state["statistics_passes"] + seed * _PASSES,
    }


def branch_key(run: str, variant: Variant, step: int, marks: tuple[int, ...], seed: int) -> str:
    """Tells the results of branches apart: of a run's fingerprint, what is done at which step, and for how long."""
    identity = json.dumps([run, variant.name, step, list(marks), seed])
    return hashlib.sha256(identity.encode()).hexdigest()[:12]
