"""What an audit found, as plain dataclasses: `results.json` and `summary.json` are these, and read back as these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from growsearch.audit.calibration import Calibration
from growsearch.comparison.pairs import Pair, renamed
from growsearch.runs.layout import audit_summaries, event_audits
from growsearch.runs.reading import read_json, record_of


@dataclass(frozen=True)
class Repetition:
    """Whether the repeated beginning of the run is the recorded one: `rows` of metrics were compared.

    Where it is not, `step` and `key` say what differed first, `recorded` and `repeated` how.
    """

    equal: bool
    rows: int = 0
    step: int | None = None
    key: str | None = None
    recorded: Any = None
    repeated: Any = None


@dataclass(frozen=True)
class FirstStep:
    """One step of plain gradient descent by the new weights alone, at the learning rate of the event.

    `predicted` is the first-order change of the loss on the batch that the growth step looked at, minus the rate times
    the squared norm of the new weights' gradient; `measured` the change there, `fresh` on other training batches.
    """

    predicted: float
    measured: float
    fresh: float | None


@dataclass(frozen=True)
class Effect:
    """A growth step's own effect on the loss, before any training.

    `sites` and `removed` are units by site, `parameters` and `flops` (forward, one sample) the network's afterwards.
    `predicted_change` and `measured_change` are of the batch that the growth step looked at, `fresh_change` of other
    training batches, drawn alike; None where one batch is the whole training set.
    """

    sites: dict[str, int]
    removed: dict[str, int]
    parameters: int
    flops: int
    predicted_change: float | None
    measured_change: float | None
    fresh_change: float | None
    first_step: FirstStep | None
    seconds: float


@dataclass(frozen=True)
class Branch:
    """One way to go on, over its finished seeds: lists are in their order.

    `effects` holds None where the branch did not grow. `rows` are, for each seed, the trajectory: `step` since the
    event, `train_loss` (mean since the row before; None in the first), `validation_loss` and `validation_accuracy`
    where there are any, `training_flops` and `seconds` since the event.
    """

    name: str
    kind: str
    where: str
    how: str
    seeds: list[int]
    parameters: list[int]
    training_flops: list[int]
    effects: list[Effect | None]
    rows: list[list[dict[str, Any]]]


@dataclass(frozen=True)
class Comparison:
    """`with` minus each other branch in one metric, at equal `steps` or at equal `flops`.

    `tested` tells that these differences may be called; the others are for orientation.
    """

    metric: str
    at: str
    tested: bool
    pairs: list[Pair]


@dataclass(frozen=True)
class Along:
    """`with` minus another branch along the trajectory: mean and 95 % interval (None below six seeds) by step."""

    metric: str
    against: str
    steps: list[int]
    mean_difference: list[float]
    interval: list[tuple[float, float] | None]


@dataclass(frozen=True)
class Audit:
    """What event `event` of a run was worth: `step` is when it was, `steps` how far the branches went from there.

    `recorded` is its line of `growth.jsonl`; `reproduced` whether the branch `with` of the run's own seed repeats what
    the run recorded after the event, None where there is nothing to compare.
    """

    policy: str
    seed: int
    event: int
    step: int
    steps: int
    metric: str
    sentence: str
    recorded: dict[str, Any]
    repetition: Repetition
    reproduced: bool | None
    branches: list[Branch]
    comparisons: list[Comparison]
    along: list[Along]
    failures: list[dict[str, Any]]

    def branch(self, name: str) -> Branch:
        """The branch of that name."""
        return next(one for one in self.branches if one.name == name)

    def compared(self, metric: str, at: str = "steps") -> Comparison:
        """The comparison in one metric."""
        return next(one for one in self.comparisons if (one.metric, one.at) == (metric, at))


@dataclass(frozen=True)
class SummaryRow:
    """One event of a run: what it did at once."""

    event: int
    step: int
    where: str
    how: str
    effect: Effect


@dataclass(frozen=True)
class Summary:
    """All `events` of a run, and how well what was predicted of them agrees with what was measured.

    `rows` lack the events that the repeated run did not have, where it is not the recorded one.
    """

    policy: str
    seed: int
    events: int
    sentence: str
    repetition: Repetition
    rows: list[SummaryRow]
    calibrations: list[Calibration]


def read_audits(folder: Path | str) -> list[Audit]:
    """The audits that a run folder holds, by policy, seed and event; empty where there are none."""
    paths = event_audits(Path(folder))
    found = [audit_from(read_json(path), path) for path in paths]
    return sorted(found, key=lambda one: (one.policy, one.seed, one.event))


def read_summaries(folder: Path | str) -> list[Summary]:
    """The summaries over all events that a run folder holds, by policy and seed."""
    paths = audit_summaries(Path(folder))
    found = [summary_from(read_json(path), path) for path in paths]
    return sorted(found, key=lambda one: (one.policy, one.seed))


def audit_from(plain: Mapping[str, Any], path: Path) -> Audit:
    """Return the audit that a file's content stands for; raises `DamagedFile`, naming `path`, where it is none."""
    compared = [{**one, "pairs": [renamed(pair) for pair in one["pairs"]]} for one in plain.get("comparisons", ())]
    return record_of(Audit, {**plain, "comparisons": compared}, str(path))


def summary_from(plain: Mapping[str, Any], path: Path) -> Summary:
    """Return the summary that a file's content stands for; raises `DamagedFile`, naming `path`, where it is none."""
    return record_of(Summary, plain, str(path))
