"""The results of a search as typed records, read back from its `results.json`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from growsearch.errors import InputError
from growsearch.runs.frames import frame_of
from growsearch.runs.layout import RESULTS, SEARCH
from growsearch.runs.reading import read_json, record_of
from growsearch.search.budget import Spent
from growsearch.search.rung_quality import RungQuality

if TYPE_CHECKING:
    import pandas
    import plotly.graph_objects as go

_OPTIONAL = ("baseline", "start", "prior", "imported", "duplicate_of", "resume_of", "kind", "reason")


@dataclass(frozen=True)
class TrialRecord:
    """A trial: `parameters` by their paths in the file, `values` of the objectives, `measures` as means over the seeds.

    `constraints` are excesses as shares of the limits, 0 or less where one is kept; `reported` has a value by rung or
    seed; `folder` is relative to that of the search.
    """

    number: int
    state: str
    values: tuple[float, ...] | None
    parameters: dict[str, Any]
    measures: dict[str, float | None] | None
    feasible: bool | None
    constraints: dict[str, float]
    reported: dict[str, float | None]
    seconds: float | None
    finished: str | None
    folder: str
    baseline: str | None = None
    start: str | None = None
    prior: bool | None = None
    imported: str | None = None
    duplicate_of: int | None = None
    resume_of: int | None = None
    kind: str | None = None
    reason: str | None = None

    def plain(self) -> dict[str, Any]:
        """Return it as `results.json` has it."""
        return {key: value for key, value in asdict(self).items() if key not in _OPTIONAL or value is not None}


@dataclass(frozen=True)
class RaceCandidate:
    """A trial of the race: what the search said of it, and its runs with fresh seeds; a failed run has no value."""

    trial: int
    searched: float
    values: tuple[float | None, ...]
    mean: float | None
    error: float | None
    probability: float


@dataclass(frozen=True)
class Race:
    """The race: its fresh seeds, candidates and winner, a trial's number; of the rounds so far if not `finished`."""

    finished: bool
    winner: int | None
    seeds: tuple[int, ...]
    candidates: tuple[RaceCandidate, ...]


@dataclass(frozen=True)
class FailedTrial:
    """A trial that failed, and why."""

    trial: int
    reason: str


@dataclass(frozen=True)
class SearchResults:
    """Content of a search's `results.json`; `best` are the numbers of the chosen trials, several on a Pareto front."""

    folder: Path
    study: str
    objectives: tuple[dict[str, str], ...]
    best: tuple[int, ...]
    files: tuple[str, ...]
    race: Race | None
    budget: dict[str, float]
    spent: Spent
    stop: dict[str, float] | None
    ended_by: str | None
    exhausted: bool
    rungs: tuple[RungQuality, ...]
    trials: tuple[TrialRecord, ...]
    failures: tuple[FailedTrial, ...]

    def best_trials(self) -> tuple[TrialRecord, ...]:
        """Return the chosen trials: one, or those on the Pareto front; none where no trial can be chosen."""
        return tuple(trial for trial in self.trials if trial.number in self.best)

    def records(self) -> list[dict[str, Any]]:
        """Return one flat record a trial: `value.NAME` of an objective, `measure.NAME`, `parameter.PATH`."""
        from growsearch.report.spreadsheet import trial_rows

        return trial_rows(self.plain())

    def frame(self) -> pandas.DataFrame:
        """Return the records as a data frame; raises `InputError` where pandas is not installed."""
        return frame_of(self.records())

    def figures(self) -> dict[str, go.Figure]:
        """Return the charts of the report by name, such as `history-0`, `importance-0`, `slices` and `timeline`.

        They are plotly's figures: a notebook shows them, `figure.write_html(path)` keeps one. Raises `InputError` where
        the folder does not hold the search any more.
        """
        from growsearch.report.search_figures import search_figures
        from growsearch.search.run import open_folder

        return {one.anchor: one.figure for one in search_figures(open_folder(self.folder).optuna(), self.plain())}

    def plain(self) -> dict[str, Any]:
        """Return the content of `results.json`."""
        content = {key: value for key, value in asdict(self).items() if key != "folder"}
        content |= {"trials": [trial.plain() for trial in self.trials]}
        plain: dict[str, Any] = json.loads(json.dumps(content))
        return plain

    def _repr_html_(self) -> str:
        """Show what was found and the best trials, as notebooks do."""
        from growsearch.report.search_page import notebook_html

        return notebook_html(self.plain())


def read_search(folder: str | Path) -> SearchResults:
    """Return the results in the folder of a search; raises `InputError` where it holds none."""
    folder = Path(folder)
    if not (folder / SEARCH).is_file():
        raise InputError(f"{folder} holds no search: name the folder of one (--out)")
    path = folder / RESULTS
    if not path.exists():
        raise InputError(f"{path} does not exist: the search runs still, or was killed; growsearch resume {folder}")
    return record_of(SearchResults, {**read_json(path), "folder": str(folder)}, str(path))
