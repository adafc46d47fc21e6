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
            if len(done) >= _ENOUGH:
                cost = _objective(index, -1 if study.directions[index].name == "MAXIMIZE" else 1)
                important = draw.plot_param_importances(study, target=cost, target_name=measure)
                important.update_layout(yaxis_title=None)
                title = f"Parameters that decide about {measure}"
                figures.append(SearchFigure(f"importance-{index}", title, important, _PED))
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


def _by_size(done: list[FrozenTrial], measure: str) -> go.Figure:
    import plotly.graph_objects as go

    figure = go.Figure()
    for name, chosen in (
        ("trials", [trial for trial in done if "baseline" not in trial.user_attrs]),
        ("baselines", [trial for trial in done if "baseline" in trial.user_attrs]),
    ):
        figure.add_scatter(
            x=[trial.user_attrs["measures"]["parameters"] for trial in chosen],
            y=[trial.values[0] for trial in chosen],
            text=[f"trial {trial.number} {trial.user_attrs.get('baseline', '')}" for trial in chosen],
            mode="markers",
            name=name,
            marker={"symbol": "diamond", "size": 11} if name == "baselines" else {"size": 7},
        )
    return figure.update_layout(xaxis_title="parameters", yaxis_title=measure, xaxis_type="log")
