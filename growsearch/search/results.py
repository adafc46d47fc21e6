"""What a search leaves behind: `results.json` with all trials, and the chosen ones as plain run files."""

from __future__ import annotations

import shlex
import shutil
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from optuna.trial import FrozenTrial, TrialState

from growsearch.runs.files import write_atomically, write_json
from growsearch.runs.layout import BEST, PARETO, RESULTS
from growsearch.search.budget import account_of, stopped_by
from growsearch.search.race import is_over, standing
from growsearch.search.ranking import best_trials, is_feasible
from growsearch.search.rung_quality import rung_quality
from growsearch.search.study import Study, configuration_of, counts
from growsearch.writing import make_folder


def write_results(study: Study) -> dict[str, Any]:
    """Write `results.json` and `best.yaml` (several objectives: `pareto/N.yaml`); the content of the former."""
    results = results_of(study)
    chosen = [trial for trial in study.trials() if trial.number in results["best"]]
    _write_chosen(study, chosen)
    write_json(study.folder / RESULTS, results)
    return results


def results_of(study: Study) -> dict[str, Any]:
    """The content of `results.json`, as the study is now."""
    trials = [trial for trial in study.trials() if counts(trial)]
    race = standing(study)
    best = best_trials(study, trials)
    if race is not None and race["finished"] and race["winner"] is not None:
        best = [trial for trial in trials if trial.number == race["winner"]]
    results = {
        "study": study.name,
        "objectives": [{direction: measure} for direction, measure in study.plan.search.aims],
        "best": [trial.number for trial in best],
        "files": [str(path) for path in _targets(study, best).values()],
        "race": race,
        **_ends(study, trials),
        "rungs": [asdict(one) for one in rung_quality(study.plan.rungs, trials).values()],
        "trials": [_row(study, trial) for trial in trials],
        "failures": [
            {"trial": trial.number, "reason": trial.user_attrs.get("reason", "it was added as failed")}
            for trial in trials
            if trial.state == TrialState.FAIL
        ],
    }
    return results


def _ends(study: Study, trials: list[FrozenTrial]) -> dict[str, Any]:
    """The budget, what was used of it, and what ended the search; None where it is not over."""
    account, (_, stop) = account_of(study), study.ends()
    exhausted = study.plan.exhausted_by(trials)
    reason = stopped_by(study, trials) or ("exhausted" if exhausted and account.has_room() else "budget")
    return {
        "budget": account.budget.model_dump(exclude_none=True),
        "spent": asdict(account.spent()),
        "stop": stop.model_dump(exclude_none=True) if stop else None,
        "ended_by": reason if is_over(study) else None,
        "exhausted": exhausted,
    }


def _row(study: Study, trial: FrozenTrial) -> dict[str, Any]:
    attributes = trial.user_attrs
    row = {
        "number": trial.number,
        "state": trial.state.name.lower(),
        "values": trial.values,
        "parameters": trial.params,
        "measures": attributes.get("measures"),
        "feasible": is_feasible(trial) if trial.state == TrialState.COMPLETE or trial.constraints else None,
        "constraints": trial.constraints,
        "reported": {str(step): value for step, value in trial.intermediate_values.items()},
        "seconds": attributes.get("seconds", _seconds(trial)),
        "finished": _with_offset(trial.datetime_complete),
        "folder": str(study.trial_folder(trial.number).relative_to(study.folder)),
    }
    beside = ("baseline", "start", "prior", "imported", "duplicate_of", "resume_of", "kind", "reason")
    return row | {key: attributes[key] for key in beside if key in attributes}


def _seconds(trial: FrozenTrial) -> float | None:
    """From a trial's beginning to its end by the clock on the wall, which may have been set back meanwhile."""
    started, ended = trial.datetime_start, trial.datetime_complete
    return max(0.0, (ended - started).total_seconds()) if started and ended else None


def _with_offset(moment: datetime | None) -> str | None:
    """A time of this machine's zone, as Optuna keeps it, with the zone's offset."""
    return moment.astimezone().isoformat() if moment else None


def _targets(study: Study, best: list[FrozenTrial]) -> dict[int, Path]:
    if len(study.plan.search.aims) == 1:
        return {trial.number: study.folder / BEST for trial in best}
    return {trial.number: study.folder / PARETO / f"{trial.number}.yaml" for trial in best}


def _write_chosen(study: Study, best: list[FrozenTrial]) -> None:
    """The run files of the best trials, each with a head that says what it is; their own folders are not needed."""
    shutil.rmtree(study.folder / PARETO, ignore_errors=True)
    for trial in best:
        config = configuration_of(study, trial)
        if config is None:
            continue
        path = _targets(study, best)[trial.number]
        make_folder(path.parent)
        text = _head(study, trial, path) + yaml.safe_dump(config.to_dict(), sort_keys=False)
        write_atomically(path, lambda file, text=text: file.write(text.encode()))  # type: ignore[misc]


def _head(study: Study, trial: FrozenTrial, path: Path) -> str:
    threads = trial.user_attrs.get("threads", 1)
    values = ", ".join(
        f"{measure} {value:.6g}" for (_, measure), value in zip(study.plan.search.aims, trial.values, strict=True)
    )
    baseline = f" (the baseline {trial.user_attrs['baseline']})" if "baseline" in trial.user_attrs else ""
    return (
        f"# Trial {trial.number}{baseline} of {study.name}: {values}.\n"
        f"# With the same number of threads a CPU repeats it bit for bit:\n"
        f"#\n#     OMP_NUM_THREADS={threads} growsearch run {shlex.quote(str(path))} --workers 1\n\n"
    )
