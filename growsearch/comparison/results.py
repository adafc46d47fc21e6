"""The results of a comparison: gathered from the runs' folders, written to and read from `results.json`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from growsearch.comparison.control_job import ControlJob
from growsearch.comparison.control_verdict import describe_controls
from growsearch.comparison.controls import Control
from growsearch.comparison.found_controls import Grown, find_controls, lacking_controls, lacking_sentence
from growsearch.comparison.metric import Policies, metric_of
from growsearch.comparison.outcome import Outcome, describe_growth
from growsearch.comparison.trajectory import trajectories
from growsearch.comparison.verdict import describe
from growsearch.errors import InputError
from growsearch.execution.job import Failure, Job
from growsearch.runs.layout import RESULTS
from growsearch.runs.reading import read_json
from growsearch.runs.store import read_growth, read_rows

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


def gather(jobs: Sequence[Job], failures: Sequence[Failure], reference: str | None = None) -> dict[str, Any]:
    """Content of `results.json`: for every policy lists with one entry per finished seed, in the order of `seeds`.

    `reference` is the policy that the others are tested against; None is the default one. Controls are apart from the
    policies.
    """
    found: dict[str, list[_Found]] = {job.policy: [] for job in jobs}
    for job in sorted(jobs, key=lambda job: job.seed):
        result = job.finished()
        if result is not None:
            found[job.policy].append(_Found(job, result.plain()))
    controls = {job.policy: job.control for job in jobs if isinstance(job, ControlJob)}
    keys = _keys([run.result for runs in found.values() for run in runs])
    policies = {name: _rows(runs, keys) for name, runs in found.items() if name not in controls}
    logs = {name: [[row.plain() for row in read_rows(run.job.folder)] for run in found[name]] for name in policies}
    rows = {name: _rows(found[name], keys) for name in controls}
    verdict = describe(policies, reference)
    verdict["growth"] = growth = describe_growth(_outcomes({name: found[name] for name in policies}))
    if growth["sentence"]:
        verdict["sentence"] = f"{growth['sentence']} {verdict['sentence']}"
    grown = {name: found[name] for name in policies if name not in growth["not_grown"]}
    verdict["controls"] = {
        **describe_controls(metric_of(policies), policies, list(controls.values()), rows),
        **_found_controls(grown, controls, rows),
    }
    samples = [run.result.get("samples") for runs in found.values() for run in runs]
    return {
        "samples": samples[0] if samples and all(one == samples[0] for one in samples) else None,
        "policies": policies,
        "controls": {name: {**control.plain(), **rows[name]} for name, control in controls.items()},
        "verdict": verdict,
        "trajectories": trajectories(logs, metric_of(policies)),
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


def _outcomes(runs: dict[str, list[_Found]]) -> dict[str, Outcome]:
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


def _found_controls(runs: dict[str, list[_Found]], controls: dict[str, Control], rows: Policies) -> dict[str, Any]:
    """Which of the controls of each growing policy are there, which are not, and the sentence that says so."""
    policies = {
        name: Grown(
            config=found[0].job.config,
            seed=fmean(run.seed_parameters for run in found),
            final=fmean(run.final_parameters for run in found),
            flops=fmean(run.result["training_flops"] for run in found),
        )
        for name, found in runs.items()
        if found
    }
    found = find_controls(policies, {name: one for name, one in controls.items() if rows[name]["seeds"]})
    lacking = lacking_controls(found)
    return {"found": found, "lacking": lacking, "lacking_sentence": lacking_sentence(lacking, len(found))}


def read_results(folder: Path) -> dict[str, Any]:
    """Content of a run folder's `results.json`; raises `InputError` where there is none."""
    path = folder / RESULTS
    if not path.exists():
        raise InputError(f"{path} does not exist: name the folder of a comparison or a run (--out)")
    return read_json(path)
