"""Charts of a search: what its trials allow to be drawn."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from growsearch.report import search_charts as charts
from growsearch.report.search_charts import Trials
from growsearch.search.rung_quality import RungQuality
from growsearch.search.study import counts

if TYPE_CHECKING:
    import optuna
    import plotly.graph_objects as go
    from optuna.trial import FrozenTrial

_ENOUGH = 8  # completed trials that have a parameter, before its importance says anything
_MARKERS = {
    "trials": {"size": 7},
    "baselines": {"symbol": "diamond", "size": 11},
    "break a limit": {"symbol": "x", "size": 7},
}
_FRONT = {
    "Best Trial": "on the front",
    "Trial": "others",
    "Feasible Trial": "others",
    "Infeasible Trial": "break a limit",
}
_PED = (
    "How differently the better trials choose a parameter than the others do (Optuna's PED-ANOVA, Watanabe et al., "
    "IJCAI 2023), as a share of all; of parameters that exist in some trials only, over these, where there are enough. "
    "The lines are the middle 90 % of what the same number of trials, drawn from these with repetition, say."
)
_HISTORY = (
    "One point for each finished trial, over the training FLOPs that all trials had used by its end; diamonds are the "
    "race's means over fresh seeds, with their standard errors, beside which the search's own values are flattered."
)
_PARALLEL = (
    "One line for each finished trial, from dark to bright the better it is: through its parameters, from the lowest "
    "value below to the highest above, to its rank, the best below. Parameters that all trials have."
)
_RUNG = "Finished trials. The nearer they are to a rising line, the better the rung tells how a trial ends."


@dataclass(frozen=True)
class SearchFigure:
    """A chart with its anchor, its title and a remark."""

    anchor: str
    title: str
    figure: go.Figure
    note: str

    def plain(self) -> dict[str, Any]:
        """Traces and layout for the page's script, which adds the colours of the page."""
        self.figure.update_layout(title=None, template=None)
        found: dict[str, Any] = json.loads(self.figure.to_json())
        return found


def search_figures(study: optuna.Study, results: Mapping[str, Any]) -> list[SearchFigure]:
    """All charts that a search's trials allow; `results` is the content of `results.json`."""
    everything = study.get_trials(deepcopy=False)
    trials = [one for one in everything if counts(one)]
    done = [one for one in trials if one.state.name == "COMPLETE"]
    if not done:
        return []
    measures = [measure for objective in results["objectives"] for measure in objective.values()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        figures = [one for index in range(len(measures)) for one in _of_objective(study, measures, index, trials)]
        if len(measures) == 1:
            first, *others = _of_one(study, trials, measures[0], results)
            figures = [first, *figures, *others]
        elif len(measures) in (2, 3):
            front = draw_front(study, target_names=measures)
            figures.append(
                SearchFigure("pareto", "Pareto front", front, "Trials that no other beats in every objective.")
            )
        if (drawn := charts.timeline(everything)) is not None:
            note = "Which worker had which trial, when; the last one where a trial went from one to another."
            figures.append(SearchFigure("timeline", "Timeline", drawn, note))
    return figures


def _of_objective(study: optuna.Study, measures: list[str], index: int, trials: Trials) -> list[SearchFigure]:
    """The importance of the parameters; of several objectives the history of each."""
    measure, figures = measures[index], list[SearchFigure]()
    if len(measures) > 1:
        history = draw_history(study, target=_objective(index), target_name=measure)
        figures.append(
            SearchFigure(f"history-{index}", f"History of {measure}", history, "One point for each finished trial.")
        )
    shares = _shares(study, index)
    done = [one for one in trials if one.state.name == "COMPLETE"]
    if len(done) >= _ENOUGH and (bars := charts.importance(study, shares)) is not None:
        title = f"Parameters that decide about {measure}"
        figures.append(SearchFigure(f"importance-{index}", title, bars, _PED))
    return figures


def _of_one(study: optuna.Study, trials: Trials, measure: str, results: Mapping[str, Any]) -> list[SearchFigure]:
    """The charts of a search with one objective."""
    sign = -1 if study.directions[0].name == "MAXIMIZE" else 1
    done = [one for one in trials if one.state.name == "COMPLETE"]
    shares = _shares(study, 0)(done) if len(done) >= _ENOUGH else {}
    names = sorted({name for one in done for name in one.params}, key=lambda name: (-shares.get(name, 0.0), name))
    steps = {int(step): value for step, value in rungs_of(trials, results).items()}
    found = [
        ("history-0", f"History of {measure}", charts.history(trials, measure, sign, results["race"]), _HISTORY),
        ("slices", "Parameters one by one", charts.slices(trials, measure, names), "Every finished trial."),
        ("parallel", "Parameters together", charts.parallel(trials, measure, sign, names), _PARALLEL),
        *(
            (f"rung-{step}", f"Rung at {one.share:.0%}", charts.rung(trials, step, one, measure), _RUNG)
            for step, one in steps.items()
        ),
        ("size", f"{measure} and size", _by_size(done, measure), "Every completed trial; baselines are diamonds."),
    ]
    return [SearchFigure(anchor, title, figure, note) for anchor, title, figure, note in found if figure is not None]


def rungs_of(trials: Trials, results: Mapping[str, Any]) -> dict[int, RungQuality]:
    """The rungs of a search by their steps, which are those that trials have reported at."""
    steps = sorted({step for one in trials for step in one.intermediate_values})
    known = [RungQuality(**one) for one in results["rungs"]]
    return dict(zip(steps, known, strict=False)) if len(known) >= len(steps) else {}


def _shares(study: optuna.Study, index: int) -> Callable[[Trials], dict[str, float]]:
    """The importance of the parameters of some of a study's trials for an objective."""
    sign = -1 if study.directions[index].name == "MAXIMIZE" else 1
    return lambda trials: importances(_with_trials(study, trials), _objective(index, sign))


def _with_trials(study: optuna.Study, trials: Trials) -> optuna.Study:
    import optuna

    made = optuna.create_study(directions=study.directions, storage=optuna.storages.InMemoryStorage())
    made.add_trials(trials)
    return made


def draw_front(study: optuna.Study, target_names: list[str]) -> go.Figure:
    """Optuna's chart of the trials that no other beats, which are told apart by colour rather than by number."""
    import optuna.visualization as draw

    figure = draw.plot_pareto_front(study, target_names=target_names)
    for trace in figure.data:
        kind = trace.hovertemplate.partition("<extra>")[2].removesuffix("</extra>")
        trace.update(name=_FRONT[kind], showlegend=True, marker=None)
    return figure


def draw_history(study: optuna.Study, target: Callable[[FrozenTrial], float], target_name: str) -> go.Figure:
    """Optuna's chart of an objective over the trials."""
    import optuna.visualization as draw

    return draw.plot_optimization_history(study, target=target, target_name=target_name)


def _objective(index: int, sign: int = 1) -> Callable[[FrozenTrial], float]:
    return lambda trial: sign * float(trial.values[index])


def importances(study: optuna.Study, cost: Callable[[FrozenTrial], float]) -> dict[str, float]:
    """The share of each parameter that enough trials have, with more than one value: of others, nothing can be said."""
    from optuna.importance import get_param_importances

    values: dict[str, list[Any]] = {}
    for trial in study.get_trials(deepcopy=False):
        for name, value in trial.params.items() if trial.state.name == "COMPLETE" else ():
            values.setdefault(name, []).append(value)
    found = get_param_importances(study, target=cost)
    varied = {
        name: share for name, share in found.items() if len(values[name]) >= _ENOUGH and len(set(values[name])) > 1
    }
    whole = sum(varied.values())
    return {name: share / whole for name, share in varied.items()} if whole > 0 else {}


def _by_size(done: list[FrozenTrial], measure: str) -> go.Figure | None:
    import plotly.graph_objects as go

    if not all("parameters" in trial.user_attrs.get("measures", {}) for trial in done):
        return None
    figure = go.Figure()
    kept = [trial for trial in done if all(excess <= 0 for excess in trial.constraints.values())]
    for name, chosen in (
        ("trials", [trial for trial in kept if "baseline" not in trial.user_attrs]),
        ("baselines", [trial for trial in kept if "baseline" in trial.user_attrs]),
        *([("break a limit", [trial for trial in done if trial not in kept])] if len(kept) < len(done) else []),
    ):
        figure.add_scatter(
            x=[trial.user_attrs["measures"]["parameters"] for trial in chosen],
            y=[trial.values[0] for trial in chosen],
            text=[f"trial {trial.number} {trial.user_attrs.get('baseline', '')}" for trial in chosen],
            mode="markers",
            name=name,
            marker=_MARKERS[name],
        )
    return figure.update_layout(xaxis_title="parameters", yaxis_title=measure, xaxis_type="log")
