"""The results of a comparison: gathered from the runs' folders, written to and read from `results.json`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from growsearch.comparison.conclusions import Conclusions, conclude, conclusions_of
from growsearch.comparison.control_differences import ControlRuns
from growsearch.comparison.control_job import ControlJob
from growsearch.comparison.envelope import envelopes
from growsearch.comparison.found_controls import Grown, find_controls
from growsearch.comparison.metric import Policies, metric_of
from growsearch.comparison.outcome import GrowthOutcome, Outcome, growth_outcome
from growsearch.comparison.table import TableRow, best_first, control_rows, policy_rows
from growsearch.comparison.trajectory import trajectories
from growsearch.comparison.tuning import Tuning
from growsearch.errors import InputError
from growsearch.execution.job import Failure, Job
from growsearch.runs.frames import frame_of
from growsearch.runs.layout import RESULTS, SEARCH
from growsearch.runs.reading import DamagedFile, read_json
from growsearch.runs.store import read_growth, read_rows

if TYPE_CHECKING:
    import pandas

PER_SEED = (
    "test_accuracy",
    "test_loss",
    "train_loss",
    "seed_parameters",
    "parameters",
    "active_parameters",
    "training_flops",
    "growth_flops",
    "seconds",
    "growth_seconds",
    "growth_events",
    "widths",
)


@dataclass(frozen=True)
class ComparisonResults:
    """Content of `results.json`: `policies` and `controls` have lists with one entry per finished seed.

    `controls` also say what each is: its `kind`, the policy that it is `of`, and whose `network` it trains.
    """

    policies: Policies
    controls: dict[str, dict[str, Any]]
    conclusions: Conclusions
    trajectories: dict[str, Any] | None
    failures: list[dict[str, Any]]
    samples: dict[str, int] | None

    def rows(self) -> list[TableRow]:
        """Return one row per policy, the best first."""
        found = self.conclusions
        return best_first(policy_rows(self.policies, found.reference, found.pairs, found.growth.not_grown))

    def _repr_html_(self) -> str:
        """Show the headline of the verdict and the table of the policies, as notebooks do."""
        from growsearch.report.results_table import notebook_html

        return notebook_html(self)

    def records(self) -> list[dict[str, Any]]:
        """Return one record a policy and seed, with all that was measured of it."""
        return [
            {"policy": policy, "seed": seed, **{key: own[key][place] for key in own if key != "seeds"}}
            for policy, own in self.policies.items()
            for place, seed in enumerate(own["seeds"])
        ]

    def frame(self) -> pandas.DataFrame:
        """Return the records as a data frame; raises `InputError` where pandas is not installed."""
        return frame_of(self.records())

    def control_rows(self) -> list[TableRow]:
        """Return one row per control, in the order of the file."""
        return control_rows(self.policies, self.controls)


def results_from(plain: Mapping[str, Any], where: str = RESULTS) -> ComparisonResults:
    """Return what a `results.json` says, `where` in errors; conclusions that it lacks are drawn anew."""
    return ComparisonResults(
        policies=plain["policies"],
        controls=plain.get("controls") or {},
        conclusions=conclusions_of(plain, where),
        trajectories=plain.get("trajectories"),
        failures=plain.get("failures") or [],
        samples=plain.get("samples"),
    )


def read_results(folder: str | Path) -> ComparisonResults:
    """Return the results in a run folder; raises `InputError` where there are none.

    Raises `DamagedFile` where the file does not hold the results of a comparison.
    """
    path = Path(folder) / RESULTS
    if (Path(folder) / SEARCH).is_file():
        raise InputError(f"{folder} holds a search and no comparison: read_search reads it")
    if not path.exists():
        raise InputError(f"{path} does not exist: name the folder of a comparison or a run (--out)")
    plain = read_json(path)
    try:
        return results_from(plain, str(path))
    except KeyError as error:
        raise DamagedFile(f"{path}: is damaged: no results of a comparison, without {error}") from error


@dataclass(frozen=True)
class _Found:
    """A finished run: what its folder says."""

    job: Job
    result: dict[str, Any]

    @property
    def events(self) -> list[dict[str, Any]]:
        """The growth log, with events that were rolled back."""
        return [line.plain() for line in read_growth(self.job.folder)]

    @property
    def seed_parameters(self) -> int:
        """Parameters that no mask prunes, before the first growth."""
        events = [event for event in self.events if not event["refused"]]
        return int(events[0]["active_before"] or events[0]["parameters_before"]) if events else self.final_parameters

    @property
    def final_parameters(self) -> int:
        """The same at the end."""
        return int(self.result["active_parameters"])


def gather(
    jobs: Sequence[Job], failures: Sequence[Failure], reference: str | None = None, tuning: Tuning | None = None
) -> dict[str, Any]:
    """Return the content of `results.json`, from what the runs of these jobs have left.

    Controls are apart from the policies.

    Args:
        jobs: of policies and controls.
        failures: of runs that did not finish.
        reference: the policy that the others are tested against; None is the default one.
        tuning: what the pilot runs chose.
    """
    found: dict[str, list[_Found]] = {job.policy: [] for job in jobs}
    for job in sorted(jobs, key=lambda job: job.seed):
        result = job.finished()
        if result is not None:
            found[job.policy].append(_Found(job, result.plain()))
    controls = {job.policy: job.control for job in jobs if isinstance(job, ControlJob)}
    runs = {name: own for name, own in found.items() if name not in controls}
    keys = _keys([run.result for own in found.values() for run in own])
    policies = {name: _rows(own, keys) for name, own in runs.items()}
    rows = {name: _rows(found[name], keys) for name in controls}
    growth = growth_outcome(_outcomes(runs))
    made = {name: control for name, control in controls.items() if rows[name]["seeds"]}
    there = find_controls(_grown(runs, growth), made)
    logs = {
        name: {run.job.seed: [row.plain() for row in read_rows(run.job.folder)] for run in own}
        for name, own in found.items()
    }
    beside = envelopes(metric_of(policies), {**policies, **rows}, tuple(controls.values()), logs)
    planned = ControlRuns(tuple(controls.values()), rows, there)
    conclusions = conclude(policies, reference, growth, planned, beside, tuning)
    samples = [run.result.get("samples") for own in found.values() for run in own]
    return {
        "samples": samples[0] if samples and all(one == samples[0] for one in samples) else None,
        "policies": policies,
        "controls": {name: {**control.plain(), **rows[name]} for name, control in controls.items()},
        "verdict": conclusions.plain(),
        "trajectories": trajectories({name: list(logs[name].values()) for name in policies}, metric_of(policies)),
        "failures": [
            {"policy": failure.policy, "seed": failure.seed, "reason": failure.reason}
            for failure in sorted(failures, key=lambda failure: (failure.policy, failure.seed))
        ],
    }


def _keys(results: Sequence[dict[str, Any]]) -> list[str]:
    """What is kept of every run: what it is ranked by, and whatever else its task measured on the test set."""
    measured = [key for result in results for key in result if key.startswith("test_")]
    return list(dict.fromkeys(["metric", *PER_SEED, *measured]))


def _rows(runs: Sequence[_Found], keys: Sequence[str]) -> dict[str, list[Any]]:
    found = [{**run.result, "seed_parameters": run.seed_parameters} for run in runs]
    return {"seeds": [run.job.seed for run in runs], **{key: [one.get(key) for one in found] for key in keys}}


def _outcomes(runs: Mapping[str, list[_Found]]) -> dict[str, Outcome]:
    """Of the policies that should change size."""
    return {
        name: Outcome(
            config=found[0].job.config,
            results=[run.result for run in found],
            refused=[event["refused"] for run in found for event in run.events if event["refused"]],
        )
        for name, found in runs.items()
        if found and found[0].job.config.growth.changes_size
    }


def _grown(runs: Mapping[str, list[_Found]], growth: GrowthOutcome) -> dict[str, Grown]:
    """What the policies were and came to, but for those that should have grown and did not."""
    return {
        name: Grown(
            config=found[0].job.config,
            seed=fmean(run.seed_parameters for run in found),
            final=fmean(run.final_parameters for run in found),
            flops=fmean(run.result["training_flops"] for run in found),
        )
        for name, found in runs.items()
        if found and name not in growth.not_grown
    }
