"""One self-contained HTML page for a search: history, importance of the parameters, Pareto front, all trials."""

from __future__ import annotations

from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any

from growsearch.number_format import human, plural, show_measure
from growsearch.report.markup import note, stacked_table, table
from growsearch.report.provenance import failure_list, provenance, where
from growsearch.report.search_figures import SearchFigure, search_figures
from growsearch.report.skeleton import PageSection, page, write_page
from growsearch.report.tables import Table
from growsearch.runs.layout import CONFIG, ENVIRONMENT, REPORT
from growsearch.runs.reading import read_json

_SHOWN = 6  # parameters of a trial in the table
_COSTS = {"parameters": "parameters", "training_flops": "FLOPs", "seconds": "seconds"}  # shown of every trial
_IN_NOTEBOOK = 10  # trials


def write_search_report(folder: Path, path: Path | None = None) -> Path:
    """Write the page of a folder that `growsearch.search.run` has filled, by default as its `report.html`."""
    from growsearch.search.results import results_of
    from growsearch.search.run import open_folder

    study = open_folder(folder)
    results = results_of(study)
    environment = read_json(folder / ENVIRONMENT)
    figures = search_figures(study.optuna(), results)
    best = str(results["best"][0]) if len(results["best"]) == 1 else None
    sections = [
        PageSection("verdict", "Verdict", _verdict(results)),
        *(PageSection(f"{one.anchor}-section", one.title, _figure(one)) for one in figures),
        *([PageSection("race", "Race", stacked_table(race_table(results), best))] if results["race"] else []),
        PageSection("trials", "Trials", table(trials_table(results), best)),
        PageSection("made", "How it was made", provenance((folder / CONFIG).read_text(), environment, "Space")),
    ]
    title = f"Search {results['study']}: {plural(len(results['trials']), 'trial')}"
    content = {"figures": {one.anchor: one.plain() for one in figures}}
    scripts = ("search.js",) if figures else ()
    return write_page(
        path or folder / REPORT, page(title, _about(folder, results, environment), sections, content, scripts)
    )


def notebook_html(results: dict[str, Any]) -> str:
    """Show the verdict above a table of the best trials, without the styles and scripts of a page."""
    shown = ranked_numbers(results)[:_IN_NOTEBOOK]
    by_number = {trial["number"]: trial for trial in results["trials"]}
    rows = trials_table({**results, "trials": [by_number[number] for number in shown]})
    whole = f"The first {len(shown)} of {plural(len(by_number), 'trial')}, the best first."
    best = str(results["best"][0]) if len(results["best"]) == 1 else None
    sentences = "".join(f"<p>{escape(one)}</p>" for one in [ending(results), *rung_sentences(results)])
    return f"<p><b>{escape(_sentence(results))}</b></p>{sentences}{table(replace(rows, caption=whole), best)}"


def ranked_numbers(results: dict[str, Any]) -> list[int]:
    """Return all trials: the chosen ones, other complete ones by their first objective, then pruned or failed ones."""
    [(direction, _)] = results["objectives"][0].items()
    sign = -1 if direction == "maximize" else 1

    def rank(trial: dict[str, Any]) -> tuple[Any, ...]:
        number = trial["number"]
        done = trial["state"] == "complete" and trial["values"]
        value = sign * trial["values"][0] if done else 0.0
        return (number not in results["best"], not done, trial["feasible"] is False, value, number)

    return [trial["number"] for trial in sorted(results["trials"], key=rank)]


def measures_of(results: dict[str, Any]) -> list[str]:
    """The names of the objectives."""
    return [measure for objective in results["objectives"] for measure in objective.values()]


def trials_table(results: dict[str, Any]) -> Table:
    """Every trial, with what it chose."""
    measures = measures_of(results)
    rows = tuple(_trial_row(trial, measures) for trial in results["trials"])
    best = ", ".join(map(str, results["best"]))
    caption = f"All trials, in their order. Best: {best}." if best else "All trials, in their order."
    titles = ("trial", "state", *measures, *(title for key, title in _COSTS.items() if key not in measures), "what")
    return Table("trials", "Trials", caption, titles, rows)


def _about(folder: Path, results: dict[str, Any], environment: dict[str, Any]) -> str:
    states = [trial["state"] for trial in results["trials"]]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    aims = ", ".join(f"{way} {measure}" for one in results["objectives"] for way, measure in one.items())
    return f"{folder.resolve().name}: {aims}; {counts}; {where(environment)}."


def _verdict(results: dict[str, Any]) -> str:
    used = "".join(f"<p>{escape(one)}</p>" for one in [ending(results), *rung_sentences(results)])
    failures = failure_list(results["failures"], "trial")
    return f'<div class="verdict"><p>{escape(_sentence(results))}</p></div>{used}{failures}'


def _sentence(results: dict[str, Any]) -> str:
    trials = {trial["number"]: trial for trial in results["trials"]}
    if not results["best"]:
        complete = any(trial["state"] == "complete" for trial in results["trials"])
        return "No completed trial keeps the constraints." if complete else "No trial was completed."
    measures = measures_of(results)
    if len(measures) > 1:
        return f"{plural(len(results['best']), 'trial')} on the Pareto front of {', '.join(measures)}."
    best = trials[results["best"][0]]
    baselines = [
        f"{trial['baseline']} {show_measure(measures[0], trial['values'][0])}"
        f"{' (breaks a limit)' if broken_limits(trial) else ''}"
        for trial in trials.values()
        if "baseline" in trial and trial["values"] and trial["state"] == "complete"
    ]
    beside = f" Baselines: {', '.join(baselines)}." if baselines else ""
    broken = sum(bool(broken_limits(trial)) for trial in trials.values())
    beside += f" {plural(broken, 'trial')} {'breaks' if broken == 1 else 'break'} a limit." if broken else ""
    if (race := race_sentence(results)) is not None:
        return f"{race}{beside}"
    return (
        f"Best is trial {best['number']} with {measures[0]} {show_measure(measures[0], best['values'][0])}.{beside} "
        "All on validation data, where the best of many trials looks a little too good: confirm it on the test set "
        "with several seeds."
    )


def race_sentence(results: dict[str, Any]) -> str | None:
    """What a finished race has chosen, by its fresh runs beside the search's own figure; None before that."""
    race, [measure, *_] = results["race"], measures_of(results)
    if not race or not race["finished"] or race["winner"] is None:
        return None
    won = next(one for one in race["candidates"] if one["trial"] == race["winner"])
    mean, searched = show_measure(measure, won["mean"], won["error"]), show_measure(measure, won["searched"])
    seeds = plural(len(won["values"]), "fresh seed")
    return (
        f"Trial {won['trial']} won the race of the best {len(race['candidates'])}: {measure} {mean} "
        f"by {seeds}, where the search had {searched}, in which luck has a part. With "
        f"{won['probability']:.0%} it is the best of them. All on validation data."
    )


def race_table(results: dict[str, Any]) -> Table:
    """Show the candidates: by the search, by fresh seeds, and how probable it is that each is the best."""
    [measure, *_] = measures_of(results)
    race = results["race"]
    rows = tuple(
        (
            str(one["trial"]),
            show_measure(measure, one["searched"]),
            _mean(measure, one),
            "" if one["error"] is None else show_measure(measure, one["error"]),
            str(len(one["values"])),
            f"{one['probability']:.0%}",
        )
        for one in sorted(race["candidates"], key=lambda one: -one["probability"])
    )
    over = "" if race["finished"] else " The race is not over."
    caption = (
        "The best trials by the search, run again with fresh seeds, the same for all; a clear loser has fewer. Means "
        f"are adjusted for the seeds that a trial did not have.{over}"
    )
    titles = ("trial", f"{measure} of the search", "fresh seeds", "standard error", "seeds", "is the best")
    return Table("race", "Race", caption, titles, rows)


def _mean(measure: str, one: dict[str, Any]) -> str:
    """What a candidate reached with fresh seeds, or that it failed; empty before that."""
    if one["mean"] is None:
        return "failed" if None in one["values"] else ""
    return show_measure(measure, one["mean"])


_WHY = {
    "budget": "the budget is used",
    "target": "the target was reached",
    "without_improvement": "too many trials in a row were no better",
    "untrained": "too many trials in a row trained nothing: they repeat others, fail at once, or break the limits",
    "exhausted": "the space is exhausted: every configuration was tried",
}


def ending(results: dict[str, Any]) -> str:
    """What was used of the budget, and what ended the search."""
    [(name, whole)] = results["budget"].items()
    spent = results["spent"]
    words = {"trials": f"{spent['trials']} of {whole:g} trials"}
    words["flops"] = f"{human(spent['flops'])} of {human(whole)} FLOPs"
    words["hours"] = f"{spent['hours']:.2f} of {whole:g} hours"
    also = [f"{human(spent['flops'])} training FLOPs"] if name != "flops" else []
    also += [f"{spent['hours']:.2f} hours"] if name != "hours" else []
    why = f"Ended: {_WHY[results['ended_by']]}." if results["ended_by"] else "It is not over."
    return f"Used: {words[name]}, race included ({', '.join(also)}). {why}"


def rung_sentences(results: dict[str, Any]) -> list[str]:
    """What every rung told about the end, and what came of it."""
    return [_rung_sentence(one) for one in results["rungs"]]


def _rung_sentence(rung: dict[str, Any]) -> str:
    from growsearch.search.rung_quality import ENOUGH, TRUSTED

    place = f"Rung at {rung['share']:.0%} of the schedule: {plural(rung['pruned'], 'trial')} ended there"
    spared = f"; {plural(rung['spared'], 'more trial')} would have, below {TRUSTED:g}" if rung["spared"] else ""
    if rung["finished"] < ENOUGH:
        return f"{place}; too few finished trials ({rung['finished']}) say whether it tells how they end{spared}."
    if rung["correlation"] is None:
        return f"{place}; it tells nothing, as all trials end alike or were first evaluated at their end{spared}."
    over = f"over {rung['finished']} finished trials"
    return f"{place}; its rank correlation with the end is {rung['correlation']:.2f} {over}{spared}."


def broken_limits(trial: dict[str, Any]) -> str:
    """Which limits a trial breaks, in words; empty where it keeps all."""
    broken = [f"{name} by {excess:.0%}" for name, excess in (trial["constraints"] or {}).items() if excess > 0]
    return f"breaks {', '.join(broken)}" if broken else ""


def _figure(one: SearchFigure) -> str:
    label = f"{one.title}; the numbers are in the table of trials"
    box = f'<div id="{one.anchor}" class="plot tall" role="img" aria-label="{escape(label)}"></div>'
    return f"{box}\n{note(one.note)}"


def _trial_row(trial: dict[str, Any], measures: list[str]) -> tuple[str, ...]:
    measured = trial["measures"] or {}
    values = trial["values"] or []
    cells = [show_measure(name, values[index]) if index < len(values) else "" for index, name in enumerate(measures)]
    known = measured | ({"seconds": trial["seconds"]} if trial["seconds"] is not None else {})
    cells += [show_measure(key, known[key]) if key in known else "" for key in _COSTS if key not in measures]
    named = [f"baseline {trial['baseline']}"] if "baseline" in trial else []
    named += [trial["start"]] if "start" in trial else []
    named += ["taken over"] if "imported" in trial else []
    named += [f"as trial {trial['duplicate_of']}"] if "duplicate_of" in trial else []
    named += [broken_limits(trial)] if broken_limits(trial) else []
    shown = list(trial["parameters"].items())[:_SHOWN]
    named += [f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}" for name, value in shown]
    return (str(trial["number"]), trial["state"], *cells, ", ".join(named))
