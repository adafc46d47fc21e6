"""One branch with one seed: the state before the event, an event of some kind or none, and training from there."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from growsearch.audit.measure import MeasuredEvents
from growsearch.audit.records import Effect
from growsearch.audit.repeat import without_logs
from growsearch.audit.variant import Variant
from growsearch.errors import GrowsearchError, GrowthFailed
from growsearch.execution.job import Job
from growsearch.runs.events import BranchFinished, Progress, RunEvent, RunStarted, StepDone
from growsearch.runs.files import write_json
from growsearch.runs.layout import CHECKPOINT
from growsearch.runs.reading import read_json, record_of
from growsearch.training import TrainingRun
from growsearch.training.checkpoint import load_checkpoint, save_checkpoint
from growsearch.writing import make_folder

_STREAM = 1_000_003  # between the random numbers of two seeds
_PASSES = 1_000  # passes over the statistics batches between two seeds


@dataclass(frozen=True, kw_only=True)
class BranchResult:
    """What a finished branch leaves: `rows` as in `Branch`, `effect` None where it did not grow."""

    branch: str
    seed: int
    where: str
    how: str
    effect: Effect | None
    parameters: int
    training_flops: int
    rows: list[dict[str, Any]]


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
        make_folder(self.folder)
        state = load_checkpoint(self.snapshot, torch.device("cpu"))
        if state is None:
            raise GrowsearchError(f"{self.snapshot} has vanished: run the audit again")
        save_checkpoint(self.folder / CHECKPOINT, reseeded(without_logs(state), self.seed))
        measured = MeasuredEvents(self.seed, at=[self.step])
        # A branch is short: where it is interrupted it begins anew, without checkpoints.
        run = TrainingRun(
            self.config,
            self.run_seed,
            self.folder,
            self.device,
            self._watched(progress),
            hooks=measured,
            checkpoints=False,
        )
        progress(RunStarted(0, self.marks[-1]))
        try:
            result = self._branch(run, measured)
        finally:
            run.close()
        write_json(self.result, asdict(result))
        shutil.rmtree(self.folder)
        last = result.rows[-1]
        losses: dict[str, float | None] = {key: last[key] for key in ("validation_loss", "train_loss") if key in last}
        progress(BranchFinished(losses, last["seconds"]))

    def branch_result(self) -> BranchResult | None:
        """Return the result where the branch is finished already; raises `DamagedFile` where its file is none."""
        if not self.result.exists():
            return None
        return record_of(BranchResult, read_json(self.result), str(self.result))

    def _branch(self, run: TrainingRun, measured: MeasuredEvents) -> BranchResult:
        """Grow at most once, at once, train on, and measure at the marks."""
        setup, counters = run.setup, run.counters
        grower = setup.grower
        if grower is None or counters.step != self.step:
            raise GrowsearchError(f"{self.snapshot} does not belong to step {self.step}: delete {self.snapshot.parent}")
        setup.rows_every = 0
        flops, seconds = counters.training_flops, counters.seconds
        run.forget_train_loss()
        grower.policy = self.variant.policy(grower.policy, self.step)
        run.grow()
        if self.step in measured.refused:
            raise GrowthFailed(measured.refused[self.step])
        rows = []
        for mark in (0, *self.marks):
            run.train(self.step + mark)
            rows.append(
                {
                    "step": mark,
                    "train_loss": run.take_train_loss() if mark else None,
                    **run.validate(),
                    "training_flops": counters.training_flops - flops,
                    "seconds": counters.seconds - seconds,
                }
            )
        names = grower.policy.names
        return BranchResult(
            branch=self.variant.name,
            seed=self.seed,
            where=names.where,
            how=names.how,
            effect=measured.effects.get(self.step),
            parameters=run.parameters,
            training_flops=counters.training_flops - flops,
            rows=rows,
        )

    def _watched(self, progress: Progress) -> Progress:
        """Steps, counted from the event; nothing else of a branch is news."""

        def watch(event: RunEvent) -> None:
            if isinstance(event, StepDone):
                progress(StepDone(event.step - self.step, self.marks[-1]))

        return watch


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
    """Tells the results of branches apart: of a run's fingerprint, what is done at which step, and for how long.

    Args:
        run: fingerprint of the run.
        variant: what is done at the event.
        step: of the event.
        marks: steps at which it is evaluated.
        seed: of the branch.
    """
    identity = json.dumps([run, variant.name, step, list(marks), seed])
    return hashlib.sha256(identity.encode()).hexdigest()[:12]
