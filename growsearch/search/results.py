"""What a search leaves behind: `results.json` with all trials, and the chosen ones as plain run files."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from growsearch.runs.files import write_atomically, write_json
from growsearch.runs.layout import BEST, CONFIG, PARETO, RESULTS
from growsearch.search.snapshot import best_trials, is_feasible
from growsearch.search.study import Study, counts


def write_results(study: Study) -> dict[str, Any]:
    """Write `results.json` and `best.yaml` (several objectives: `pareto/N.yaml`); the content of the former."""
    trials = [trial for trial in study.trials() if counts(trial)]
    best = best_trials(study.plan.search, trials)
    results = {
        "study": study.name,
        "objectives": [{direction: measure} for direction, measure in study.plan.search.aims],
        "best": [trial.number for trial in best],
        "files": [str(path) for path in _write_chosen(study, best)],
        "trials": [_row(study, trial) for trial in trials],
        "failures": [
            {"trial": trial.number, "reason": trial.user_attrs["reason"]}
            for trial in trials
            if trial.state == TrialState.FAIL
        ],
    }
    write_json(study.folder / RESULTS, results)
    return results


def _row(study: Study, trial: FrozenTrial) -> dict[str, Any]:
    attributes = trial.user_attrs
    started, ended = trial.datetime_start, trial.datetime_complete
    row = {
        "number": trial.number,
        "state": trial.state.name.lower(),
        "values": trial.values,
        "parameters": trial.params,
        "measures": attributes.get("measures"),
        "feasible": is_feasible(trial) if trial.state == TrialState.COMPLETE else None,
        "constraints": trial.constraints,
        "reported": {str(step): value for step, value in trial.intermediate_values.items()},
        "seconds": (ended - started).total_seconds() if started and ended else None,
        "finished": ended.isoformat() if ended else None,
        "folder": str(study.trial_folder(trial.number).relative_to(study.folder)),
    }
    beside = ("baseline", "duplicate_of", "resume_of", "kind", "reason")
    return row | {key: attributes[key] for key in beside if key in attributes}


def _write_chosen(study: Study, best: list[FrozenTrial]) -> list[Path]:
    """The run files of the best trials, each with a head that says what it is."""
    if len(study.plan.search.aims) == 1:
        targets = {trial.number: study.folder / BEST for trial in best}
    else:
        shutil.rmtree(study.folder / PARETO, ignore_errors=True)
        targets = {trial.number: study.folder / PARETO / f"{trial.number}.yaml" for trial in best}
    for trial in best:
        path = targets[trial.number]
        path.parent.mkdir(exist_ok=True)
        text = _head(study, trial, path) + (study.trial_folder(trial.number) / CONFIG).read_text()
        write_atomically(path, lambda file, text=text: file.write(text.encode()))  # type: ignore[misc]
    return list(targets.values())


def _head(study: Study, trial: FrozenTrial, path: Path) -> str:
    threads = trial.user_attrs.get("threads", 1)
    values = ", ".join(
        f"{measure} {value:.6g}" for (_, measure), value in zip(study.plan.search.aims, trial.values, strict=True)
    )
    baseline = f" (the baseline {trial.user_attrs['baseline']})" if "baseline" in trial.user_attrs else ""
    return (
        f"# Trial {trial.number}{baseline} of {study.name}: {values}.\n"
        f"# With the same number of threads a CPU repeats it bit for bit:\n"
        f"#\n#     OMP_NUM_THREADS={threads} growsearch run {path} --workers 1\n\n"
    )
