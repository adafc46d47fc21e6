"""All growth events of a run: what each did at once, and how well that was predicted."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from growsearch.audit.calibration import Calibration, calibrate
from growsearch.audit.measure import FRESH_BATCHES, MeasuredEvents
from growsearch.audit.records import Effect, Repetition, Summary, SummaryRow, summary_from
from growsearch.audit.repeat import compared, watched
from growsearch.audit.sentence import ROUNDING
from growsearch.audit.target import Target
from growsearch.number_format import plural
from growsearch.runs.events import Progress
from growsearch.runs.files import write_json
from growsearch.runs.layout import SUMMARY, audit_folder
from growsearch.runs.lock import held
from growsearch.runs.reading import read_json
from growsearch.runs.store import read_growth, read_rows
from growsearch.training import TrainingRun
from growsearch.training.precision import resolve_device
from growsearch.training.threads import threads
from growsearch.writing import make_folder

CHANGE, FIRST_STEP = "change of the loss", "first step of the new weights"
OWN, FRESH = "the batch that predicted", f"{FRESH_BATCHES} other training batches"


def summarize(target: Target, device: str = "auto", progress: Progress | None = None) -> Summary:
    """Repeat a run up to its last event and measure every event, on its own batch and on others.

    The outcome is also the run's `audit/summary.json`, which is returned where it is there and still belongs to the
    run.
    """
    path = audit_folder(target.folder) / SUMMARY
    steps = [event.step for event in target.events]
    if (kept := _kept(path, target, steps)) is not None:
        return kept
    watch = watched(progress or (lambda event: None), steps[-1])
    with held(audit_folder(target.folder)):
        summary = _measured(target, steps, str(resolve_device(device)), watch)
        write_json(path, {"run": target.fingerprint, **asdict(summary)})
    return summary


def _measured(target: Target, steps: Sequence[int], device: str, watch: Progress) -> Summary:
    """Repeat the run and measure what happens at the steps."""
    work = audit_folder(target.folder) / "summary"
    shutil.rmtree(work, ignore_errors=True)
    make_folder(work)
    measured = MeasuredEvents(at=steps)
    # What was measured would be lost with a checkpoint: an interrupted summary begins anew.
    run = TrainingRun(target.config, target.seed, work, device, watch, hooks=measured, checkpoints=False)
    try:
        with threads(target.threads):
            run.train(steps[-1])
    finally:
        run.close()
    rows = [row for row in read_rows(work) if row.step <= steps[-1]]
    repetition = compared(target, rows, read_growth(work), 0, steps[-1] + 1)
    shutil.rmtree(work)
    return _summary(target, measured.effects, repetition)


def _kept(path: Path, target: Target, steps: Sequence[int]) -> Summary | None:
    """What an earlier summary found, where the run has had no other events since."""
    if not path.exists():
        return None
    content = read_json(path)
    if content.get("run") != target.fingerprint or content.get("events") != len(steps):
        return None
    return summary_from(content, path)


def _summary(target: Target, effects: dict[int, Effect], repetition: Repetition) -> Summary:
    rows = [
        SummaryRow(number, event.step, event.where, event.how, effects[event.step])
        for number, event in enumerate(target.events, 1)
        if event.step in effects
    ]
    calibrations = [found for one in (_changes(rows), _first_steps(rows)) for found in one]
    return Summary(
        policy=target.policy,
        seed=target.seed,
        events=len(target.events),
        sentence=_sentence(target, rows, calibrations),
        repetition=repetition,
        rows=rows,
        calibrations=calibrations,
    )


def _changes(rows: Sequence[SummaryRow]) -> list[Calibration]:
    """Of the predicted change of the loss, over the events that were predicted to change it."""
    said = [(e.predicted_change, e.measured_change, e.fresh_change) for e in (row.effect for row in rows)]
    return _both(CHANGE, [(p, own, fresh) for p, own, fresh in said if p])


def _first_steps(rows: Sequence[SummaryRow]) -> list[Calibration]:
    found = [row.effect.first_step for row in rows if row.effect.first_step is not None]
    return _both(FIRST_STEP, [(one.predicted, one.measured, one.fresh) for one in found])


def _both(prediction: str, values: Sequence[tuple[float, float | None, float | None]]) -> list[Calibration]:
    """On the batch that predicted, and on others where there are any."""
    own = [(said, found) for said, found, _ in values if found is not None]
    fresh = [(said, found) for said, _, found in values if found is not None]
    return [
        calibrate(prediction, data, [said for said, _ in pairs], [found for _, found in pairs])
        for data, pairs in ((OWN, own), (FRESH, fresh))
        if pairs
    ]


def _sentence(target: Target, rows: Sequence[SummaryRow], calibrations: Sequence[Calibration]) -> str:
    parts = [
        f"{target.name} had {plural(len(target.events), 'growth event')}.",
        _said(rows, [one for one in calibrations if one.prediction == CHANGE]),
    ]
    first = [one for one in calibrations if one.prediction == FIRST_STEP]
    if first:
        parts.append(f"What the gradient of the new weights promised for their first step: {_words(first)}.")
    return " ".join(parts)


def _said(rows: Sequence[SummaryRow], found: Sequence[Calibration]) -> str:
    """What the strategies predicted of the events themselves."""
    predicted = [row.effect.predicted_change for row in rows]
    if not rows:
        return "The repeated run had none of them where they were recorded."
    if all(value is None for value in predicted):
        return f"Its initializer, {_strategies(rows)}, does not predict what an event does to the loss."
    if found:
        silent = sum(value is None for value in predicted)
        note = f" ({silent} events without a prediction)" if silent else ""
        return f"The predicted change of the loss{note}: {_words(found)}."
    most = max((abs(row.effect.measured_change or 0.0) for row in rows), default=0.0)
    kept = "none did" if most < ROUNDING else f"the largest change was {most:.1g}"
    return f"Its initializer, {_strategies(rows)}, keeps the function: no event was to change the loss, and {kept}."


def _strategies(rows: Sequence[SummaryRow]) -> str:
    return " and ".join(dict.fromkeys(row.how for row in rows))


def _words(found: Sequence[Calibration]) -> str:
    return "; ".join(f"on {one.data} {_numbers(one)}" for one in found)


def _numbers(one: Calibration) -> str:
    ratio = "no ratio" if one.median_ratio is None else f"measured {one.median_ratio:.2f} times as much (median)"
    line = "" if one.correlation is None else f", correlation {one.correlation:.2f}".replace("-", "−")
    sign = "" if one.sign_agreement is None else f", sign right in {100 * one.sign_agreement:.0f} %"
    return f"{ratio}{sign}{line}"
