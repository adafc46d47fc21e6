"""A study's runs: every policy with every learning rate on the pilot seed, then with its best one on all seeds."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from growsearch.config import RunConfig, load_config
from growsearch.runs.store import read_rows

GRID = (0.25, 0.5, 1.0, 2.0, 4.0)  # multiples of the file's learning rate
PILOT = 1000  # a seed that no result is from


@dataclass(frozen=True)
class One:
    """One run; pilots do not read the test set."""

    policy: str
    multiple: float
    seed: int

    @property
    def name(self) -> str:
        """Its folder below the study's."""
        return f"{self.policy}/lr-{self.multiple:g}/seed-{self.seed}"


class Study:
    """The policies of a file, on the text of `files` or, without any, of Python's help."""

    def __init__(self, file: Path, files: Iterable[Path], out: Path) -> None:
        self.file, self.out = file, out
        self.files = [str(each.resolve()) for each in files]
        self.policies = load_config(file).policy_configs()

    def config(self, one: One) -> RunConfig:
        """What a run trains."""
        config = self.policies[one.policy]
        optimizer = {**config.training.optimizer, "lr": config.training.optimizer["lr"] * one.multiple}
        data = {**config.data, "files": self.files}
        training = config.training.model_copy(update={"optimizer": optimizer})
        return config.model_copy(update={"training": training, "data": data})

    def tune(self, policy: str, workers: ProcessPoolExecutor) -> dict[float, float | None]:
        """Validation loss at the end of the pilot run of every learning rate; None where it diverged.

        Goes up and down from the file's own as long as that helps, so that the best is not at an end of what was tried.
        """
        tried: dict[float, float | None] = {}
        wanted = {0.5, 1.0, 2.0}
        while wanted:
            pilots = [One(policy, multiple, PILOT) for multiple in sorted(wanted)]
            tried |= dict(zip(sorted(wanted), workers.map(self.pilot, pilots), strict=True))
            best = best_of(tried)
            wanted = {each for each in (best / 2, best * 2) if each in GRID} - set(tried)
        return tried

    def pilot(self, one: One) -> float | None:
        """The validation loss at the end."""
        self.run(one, test=False)
        folder = self.out / one.name
        if (folder / "diverged").exists():
            return None
        return float(read_rows(folder)[-1].metrics["validation_loss"])

    def run(self, one: One, test: bool = True) -> None:
        """Train, unless that is done; a run that was cut off goes on from its checkpoint."""
        import torch

        from growsearch.training import TrainingDiverged, run_one

        torch.set_num_threads(1)
        folder = self.out / one.name
        folder.mkdir(parents=True, exist_ok=True)
        try:
            run_one(self.config(one), one.seed, folder, "cpu", test=test)
        except TrainingDiverged as error:
            (folder / "diverged").write_text(f"{error}\n")

    def result(self, one: One) -> dict[str, object]:
        """What a finished run came to."""
        found: dict[str, object] = json.loads((self.out / one.name / "result.json").read_text())
        return found


def best_of(tried: dict[float, float | None]) -> float:
    """The multiple with the lowest loss, the file's own where all diverged."""
    kept = {multiple: loss for multiple, loss in tried.items() if loss is not None}
    return min(kept, key=lambda multiple: kept[multiple], default=1.0)


def pool(workers: int) -> ProcessPoolExecutor:
    """Processes of one thread each."""
    os.environ["OMP_NUM_THREADS"] = "1"
    return ProcessPoolExecutor(workers)
