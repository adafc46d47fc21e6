"""Charts of a search: what its trials allow to be drawn."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import optuna
    import plotly.graph_objects as go
    from optuna.trial import FrozenTrial

_ENOUGH = 8  # completed trials, before the importance of a parameter says anything
_MARKERS = {
    "trials": {"size": 7},
    "baselines": {"symbol": "diamond", "size": 11},
    "break a limit": {"symbol": "x", "size": 7},
}
_PED = (
    "How differently the better trials choose a parameter than the others do (Optuna's PED-ANOVA, Watanabe et al., "
    "IJCAI 2023), as a share of all; of parameters that exist in some trials only, over these."
)


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


def search_figures(study: optuna.Study, measures: list[str]) -> list[SearchFigure]:
    """History and importance of every objective, and the Pareto front or the quality by size."""
    done = [trial for trial in study.get_trials(deepcopy=False) if trial.state.name == "COMPLETE"]
    if not done:
        return []
    import optuna.visualization as draw

    figures = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for index, measure in enumerate(measures):
            target = None if len(measures) == 1 else _objective(index)
            history = draw.plot_optimization_history(study, target=target, target_name=measure)
            note = "One point for each finished trial."
            figures.append(SearchFigure(f"history-{index}", f"History of {measure}", history, note))
            cost = _objective(index, -1 if study.directions[index].name == "MAXIMIZE" else 1)
            if len(done) >= _ENOUGH and (shares := importances(study, cost)):
                title = f"Parameters that decide about {measure}"
                figures.append(SearchFigure(f"importance-{index}", title, _bars(shares), _PED))
        if len(measures) in (2, 3):
            front = draw.plot_pareto_front(study, target_names=measures)
            note = "Trials that no other beats in every objective."
            figures.append(SearchFigure("pareto", "Pareto front", front, note))
        elif len(measures) == 1 and all("parameters" in trial.user_attrs.get("measures", {}) for trial in done):
            note = "Every completed trial; baselines are diamonds."
            figures.append(SearchFigure("size", f"{measures[0]} and size", _by_size(done, measures[0]), note))
    return figures


def _objective(index: int, sign: int = 1) -> Callable[[FrozenTrial], float]:
    return lambda trial: sign * float(trial.values[index])


def importances(study: optuna.Study, cost: Callable[[FrozenTrial], float]) -> dict[str, float]:
    """The share of each parameter that had more than one value: of one that had not, nothing can be said."""
    from optuna.importance import get_param_importances

    values: dict[str, set[Any]] = {}
    for trial in study.get_trials(deepcopy=False):
        for name, value in trial.params.items() if trial.state.name == "COMPLETE" else ():
            values.setdefault(name, set()).add(value)
    found = get_param_importances(study, target=cost)
    varied = {name: share for name, share in found.items() if len(values[name]) > 1}
    whole = sum(varied.values())
    return {name: share / whole for name, share in varied.items()} if whole > 0 else {}


def _bars(shares: dict[str, float]) -> go.Figure:
    import plotly.graph_objects as go

    ordered = sorted(shares.items(), key=lambda one: one[1])
    figure = go.Figure()
    figure.add_bar(
        x=[share for _, share in ordered],
        y=[name for name, _ in ordered],
        text=[f"{share:.0%}" for _, share in ordered],
        orientation="h",
    )
    return figure.update_layout(xaxis_title="share of the importance", showlegend=False)


def _by_size(done: list[FrozenTrial], measure: str) -> go.Figure:
    import plotly.graph_objects as go

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
