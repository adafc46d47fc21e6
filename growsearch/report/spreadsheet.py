"""Everything that was measured as CSV: a row for every run, and a row for every evaluation of every run."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from growsearch.comparison import ComparisonResults
from growsearch.report.logs import RunLog


def runs_csv(results: ComparisonResults) -> str:
    """`policy` (or control), `seed`, then every field of `results.json`'s policies; widths by site as JSON."""
    rows = []
    for policy, columns in {**results.policies, **results.controls}.items():
        fields = {key: values for key, values in columns.items() if isinstance(values, list) and key != "seeds"}
        for index, seed in enumerate(columns["seeds"]):
            rows.append({"policy": policy, "seed": seed, **{key: values[index] for key, values in fields.items()}})
    return _csv(rows)


def curves_csv(logs: Mapping[str, Sequence[RunLog]]) -> str:
    """`policy`, `seed`, then every field of `metrics.jsonl`, all rows."""
    return _csv(
        {"policy": policy, "seed": run.seed, **row} for policy, runs in logs.items() for run in runs for row in run.rows
    )


def trials_csv(results: Mapping[str, Any]) -> str:
    """Every trial of a search, a column for each field, value, measure and parameter."""
    return _csv(trial_rows(results))


def trial_rows(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return each trial's own fields, then its `values`, `measures` and `parameters` by name."""
    aims = [measure for objective in results["objectives"] for measure in objective.values()]
    rows = []
    for trial in results["trials"]:
        row = {
            key: value for key, value in trial.items() if key not in ("values", "measures", "parameters", "reported")
        }
        row |= {f"value.{name}": value for name, value in zip(aims, trial["values"] or [], strict=False)}
        row |= {f"measure.{name}": value for name, value in (trial["measures"] or {}).items()}
        rows.append(row | {f"parameter.{name}": value for name, value in trial["parameters"].items()})
    return rows


def _csv(rows: Iterable[Mapping[str, Any]]) -> str:
    """With the columns of all rows, in the order in which they come first; nothing where a row has none."""
    kept = list(rows)
    titles = list(dict.fromkeys(key for row in kept for key in row)) or ["policy", "seed"]
    text = io.StringIO()
    writer = csv.DictWriter(text, titles, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _plain(value) for key, value in row.items()} for row in kept)
    return text.getvalue()


def _plain(value: object) -> object:
    return json.dumps(value) if isinstance(value, dict | list) else value
