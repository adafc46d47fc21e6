"""Single charts of a search's trials; each is None where the trials do not have what it shows."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from statistics import quantiles
from typing import TYPE_CHECKING, Any

from growsearch.search.budget import used_flops
from growsearch.search.rung_quality import RungQuality
from growsearch.search.study import LEASE, counts

if TYPE_CHECKING:
    import optuna
    import plotly.graph_objects as go
    from optuna.trial import FrozenTrial

_RESAMPLED = 40  # times that the trials are drawn anew for an interval
_AXES = 10  # parameters that are shown side by side, the most important ones
_SMALL = 10  # pixels of a parameter's name, two of which stand side by side on a telephone
_COLOUR = "#1f77b4"
_COLOURS = "Viridis"  # from the worst to the best, readable without colours too

Trials = Sequence["FrozenTrial"]


def history(trials: Trials, measure: str, sign: int, race: Mapping[str, Any] | None) -> go.Figure | None:
    """The value of every finished trial over all training FLOPs by its end, the best so far, and the race's means.

    Args:
        trials: all of them.
        measure: the objective's name.
        sign: 1 where it is minimised, -1 where it is maximised.
        race: as `results.json` has it.
    """
    import plotly.graph_objects as go

    over = sorted((one for one in trials if one.datetime_complete), key=lambda one: str(one.datetime_complete))
    flops = list(accumulate(used_flops(one) for one in over))
    done = [(at, one) for at, one in zip(flops, over, strict=True) if one.state.name == "COMPLETE" and one.values]
    if not done:
        return None
    kept = [(at, one) for at, one in done if all(excess <= 0 for excess in one.constraints.values())]
    figure = go.Figure()
    _points(figure, "trials", done)
    if kept:
        best = [sign * value for value in accumulate((sign * one.values[0] for _, one in kept), min)]
        figure.add_scatter(x=[at for at, _ in kept], y=best, mode="lines", line={"shape": "hv"}, name="best so far")
    raced = [one for one in (race or {}).get("candidates", []) if one["mean"] is not None]
    if raced:
        figure.add_scatter(
            x=[float(flops[-1])] * len(raced),
            y=[one["mean"] for one in raced],
            error_y={"type": "data", "array": [one["error"] or 0.0 for one in raced]},
            text=[f"trial {one['trial']} in the race" for one in raced],
            mode="markers",
            marker={"symbol": "diamond", "size": 9},
            name="race: fresh seeds",
        )
    return figure.update_layout(xaxis_title="training FLOPs of all trials", yaxis_title=measure)


def _points(figure: go.Figure, name: str, placed: Sequence[tuple[float, FrozenTrial]]) -> None:
    figure.add_scatter(
        x=[at for at, _ in placed],
        y=[one.values[0] for _, one in placed],
        text=[f"trial {one.number}" for _, one in placed],
        mode="markers",
        name=name,
    )


def importance(study: optuna.Study, shares: Callable[[Trials], dict[str, float]]) -> go.Figure | None:
    """The share of each parameter, with the middle 90 % of what trials drawn anew, with repetition, give.

    Args:
        study: with its trials.
        shares: the importance of the parameters of some trials.
    """
    import plotly.graph_objects as go

    done = [one for one in study.get_trials(deepcopy=False) if one.state.name == "COMPLETE"]
    whole = shares(done)
    if not whole:
        return None
    drawn = random.Random(0)
    again = [shares(drawn.choices(done, k=len(done))) for _ in range(_RESAMPLED)]
    names = sorted(whole, key=lambda name: whole[name])
    spread = [quantiles([one.get(name, 0.0) for one in again], n=20, method="inclusive") for name in names]
    low, high = ([each[end] for each in spread] for end in (0, -1))
    middle = [whole[name] for name in names]
    figure = go.Figure()
    figure.add_bar(
        x=middle,
        y=names,
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [max(0.0, top - share) for top, share in zip(high, middle, strict=True)],
            "arrayminus": [max(0.0, share - bottom) for bottom, share in zip(low, middle, strict=True)],
        },
        orientation="h",
    )
    return figure.update_layout(xaxis_title="share", showlegend=False)


def slices(trials: Trials, measure: str, names: Sequence[str]) -> go.Figure | None:
    """The value of every finished trial over each parameter by itself."""
    from plotly.subplots import make_subplots

    done = [one for one in trials if one.state.name == "COMPLETE" and one.values]
    shown = [name for name in names if len({one.params[name] for one in done if name in one.params}) > 1][:_AXES]
    if not shown:
        return None
    rows = -(-len(shown) // 2)
    figure = make_subplots(rows=rows, cols=2, shared_yaxes=True, vertical_spacing=0.4 / rows)
    for place, name in enumerate(shown):
        row, column = place // 2 + 1, place % 2 + 1
        there = [one for one in done if name in one.params]
        figure.add_scatter(
            x=[one.params[name] for one in there],
            y=[one.values[0] for one in there],
            text=[f"trial {one.number}" for one in there],
            mode="markers",
            marker={"size": 5, "color": _COLOUR},
            showlegend=False,
            row=row,
            col=column,
        )
        title = {"text": name, "font": {"size": _SMALL}}
        figure.update_xaxes(title=title, type=_kind(there[0], name), nticks=6, row=row, col=column)
    figure.update_yaxes(title_text=measure, col=1)
    return figure.update_layout(height=220 * rows + 60)


def parallel(trials: Trials, measure: str, sign: int, names: Sequence[str]) -> go.Figure | None:
    """One line a finished trial through its parameters, each from its lowest to its highest, and its value.

    Args:
        trials: all of them.
        measure: the objective's name.
        sign: 1 where it is minimised, -1 where it is maximised.
        names: the parameters, the most important first; those that all trials have are shown.
    """
    import plotly.graph_objects as go
    from plotly.colors import sample_colorscale

    done = [one for one in trials if one.state.name == "COMPLETE" and one.values]
    shared = [name for name in names if all(name in one.params for one in done)][:_AXES]
    if len(done) < 2 or not shared:
        return None
    places = [_places([one.params[name] for one in done], _kind(done[0], name)) for name in shared]
    order = sorted(range(len(done)), key=lambda index: -sign * done[index].values[0])
    figure = go.Figure()
    for rank, index in enumerate(order):
        one = done[index]
        colour = sample_colorscale(_COLOURS, rank / max(1, len(done) - 1))[0]
        words = [f"{name}: {one.params[name]:.4g}" for name in shared if isinstance(one.params[name], float)]
        words += [f"{name}: {one.params[name]}" for name in shared if not isinstance(one.params[name], float)]
        figure.add_scatter(
            x=[*shared, measure],
            y=[*(place[index] for place in places), 1 - rank / max(1, len(done) - 1)],
            mode="lines",
            line={"color": colour, "width": 1.2},
            text=[f"trial {one.number}, {measure} {one.values[0]:.4g}<br>{'<br>'.join(words)}"] * (len(shared) + 1),
            hoverinfo="text",
            showlegend=False,
        )
    return figure.update_layout(yaxis={"visible": False}, xaxis={"tickangle": -20})


def _places(values: Sequence[Any], kind: str) -> list[float]:
    if kind == "category":
        names = sorted(map(str, set(values)))
        return [names.index(str(value)) / max(1, len(names) - 1) for value in values]
    numbers = [math.log(value) if kind == "log" else float(value) for value in values]
    low, high = min(numbers), max(numbers)
    return [(one - low) / (high - low) if high > low else 0.5 for one in numbers]


def _kind(trial: FrozenTrial, name: str) -> str:
    """How plotly calls the axis of a parameter."""
    found = trial.distributions[name]
    return "category" if hasattr(found, "choices") else "log" if getattr(found, "log", False) else "linear"


def rung(trials: Trials, step: int, quality: RungQuality, measure: str) -> go.Figure | None:
    """The value at a rung and at the end, of the finished trials that passed it.

    Args:
        trials: all of them.
        step: of the rung.
        quality: of the rung.
        measure: the objective's name.
    """
    import plotly.graph_objects as go

    there = [one for one in trials if one.state.name == "COMPLETE" and one.values and step in one.intermediate_values]
    if len(there) < 3:
        return None
    figure = go.Figure()
    figure.add_scatter(
        x=[one.intermediate_values[step] for one in there],
        y=[one.values[0] for one in there],
        text=[f"trial {one.number}" for one in there],
        mode="markers",
        name="trials",
    )
    return figure.update_layout(
        xaxis_title=f"at {quality.share:.0%} of the schedule", yaxis_title=f"{measure} at the end"
    )


def timeline(trials: Trials) -> go.Figure | None:
    """When each trial ran, by the worker that ended it."""
    import plotly.graph_objects as go

    ran = [one for one in trials if one.datetime_start and one.datetime_complete and LEASE in one.user_attrs]
    if not ran:
        return None
    begin = min(one.datetime_start for one in ran if one.datetime_start)
    workers = list(dict.fromkeys(_worker(one) for one in ran))
    figure = go.Figure()
    for state in dict.fromkeys(map(_ended, ran)):
        own = [one for one in ran if _ended(one) == state]
        spans = [
            ((one.datetime_start - begin).total_seconds(), (one.datetime_complete - begin).total_seconds())
            for one in own
            if one.datetime_start and one.datetime_complete
        ]
        figure.add_bar(
            base=[start for start, _ in spans],
            x=[max(0.0, end - start) for start, end in spans],
            y=[f"worker {workers.index(_worker(one)) + 1}" for one in own],
            text=[str(one.number) for one in own],
            hovertext=[f"trial {one.number}, {_worker(one)}" for one in own],
            orientation="h",
            textposition="inside",
            textangle=0,
            name=state,
        )
    figure.update_layout(uniformtext={"mode": "hide", "minsize": 9}, height=140 + 50 * len(workers))
    return figure.update_layout(barmode="overlay", xaxis_title="seconds since the first trial began")


def _ended(trial: FrozenTrial) -> str:
    """How a worker's part of a trial ended; where another goes on, or may, Optuna has it as failed."""
    return trial.state.name.lower() if counts(trial) else "set aside"


def _worker(trial: FrozenTrial) -> str:
    return str(trial.user_attrs[LEASE].get("worker", "")).rpartition(":")[0]
