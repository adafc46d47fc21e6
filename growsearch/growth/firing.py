"""When a scheduler fires in a run, found by asking it at every step of a run in which nothing trains."""

from __future__ import annotations

from dataclasses import dataclass, replace

from growsearch.growth.progress import Progress
from growsearch.growth.strategy import Scheduler

_METRICS = ("train_loss", "validation_loss", "validation_accuracy")
_TRENDS = (0.0, 1.0, -1.0)  # of those metrics from one report to the next


@dataclass(frozen=True)
class Firing:
    """The events of a scheduler in a run of `steps` optimizer steps.

    `events`: their steps, None where they depend on how the run goes. `most`: how many there can be. `wanted`: how many
    there would be in a run without an end, None where that has no number.
    """

    steps: int
    events: tuple[int, ...] | None
    most: int
    wanted: int | None


def firing(when: Scheduler, steps: int, steps_per_epoch: int, rows_every: int) -> Firing:
    """Ask `when` at every step of a run of `steps` steps that reports its metrics every `rows_every` steps.

    A scheduler that cannot tell its `events_left` depends on the run. It is asked with metrics that stay, rise and
    fall, and taken to grow whenever it looks at the network: what it does most often then is `most`.

    Args:
        when: the scheduler.
        steps: of the training.
        steps_per_epoch: of the training.
        rows_every: steps between two rows of metrics.
    """
    start = Progress(step=1, total_steps=steps, steps_per_epoch=steps_per_epoch)
    endless = when.events_left(replace(start, total_steps=None))
    if when.events_left(start) is None:
        walks = [_walk(when, start, rows_every, trend) for trend in _TRENDS]
        return Firing(steps, None, max(map(len, walks)), endless)
    events = tuple(_walk(when, start, rows_every, 0.0))
    return Firing(steps, events, len(events), endless)


def _walk(when: Scheduler, start: Progress, rows_every: int, trend: float) -> list[int]:
    progress = replace(start, events=[], metrics={}, reported=[])
    progress.step = 0
    for step in range(1, (start.total_steps or 0) + 1):
        progress.advance(1.0)
        if when.watches(progress) or when.due(progress):
            progress.events.append(step)
        if step % rows_every == 0:
            progress.report(dict.fromkeys(_METRICS, trend * step))
    return progress.events
