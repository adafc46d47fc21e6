"""Progress of runs on standard error: a bar for all, a bar for each run, growth events as they happen."""

from __future__ import annotations

from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from growsearch.execution.job import OfRun
from growsearch.number_format import show_measure
from growsearch.runs.event_words import event_words
from growsearch.runs.events import (
    BranchFinished,
    Grew,
    JobsStarted,
    Recovered,
    RepetitionFinished,
    RowDone,
    RunFailed,
    RunFinished,
    RunMoved,
    RunStarted,
    StepDone,
)
from growsearch.runs.records import GrowthLine, Recovery, RunResult

FEW_RUNS = 3


class RunProgress:
    """A context that is called with what runs, or the branches of an audit, tell.

    Where standard error is no terminal a line is written for every finished run instead of bars. Growth events are
    shown behind their run's bar, and as lines of their own where there are few runs.
    """

    def __init__(self, quiet: bool = False) -> None:
        console = Console(stderr=True, quiet=quiet, highlight=False)
        self._live = console.is_terminal and not quiet
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=console,
            transient=True,
            disable=not self._live,
        )
        self._all: TaskID | None = None
        self._runs = 0
        self._done = 0
        self._tasks: dict[tuple[str, int], TaskID] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._bars.stop()

    def __call__(self, told: JobsStarted | OfRun) -> None:
        """Show what is told; rows are steps too."""
        if isinstance(told, JobsStarted):
            self._begin(told)
            return
        run = (told.policy, told.seed)
        match told.event:
            case RunStarted(step, total_steps):
                self._start(run, step, total_steps)
            case StepDone(step):
                self._step(run, step)
            case RowDone(row):
                self._step(run, row.step)
            case Grew(line):
                self._grew(run, line)
            case Recovered(recovery):
                self._recovered(run, recovery)
            case RunFinished(result):
                words = f"{_measured(result)}, {result.parameters:,} parameters, {result.seconds:.1f} s"
                self._end(run, words)
            case RunFailed(reason):
                self._end(run, f"failed: {reason}")
            case RunMoved(reason):
                self._remove(run)
                self._line(f"{run[0]} seed {run[1]}: {reason}; it goes on elsewhere")
            case BranchFinished(metrics, seconds):
                [(name, value), *_] = metrics.items()
                self._end(
                    run, f"{_words(name)} {'no value' if value is None else show_measure(name, value)}, {seconds:.1f} s"
                )
            case RepetitionFinished(step, equal):
                same = ", as it was recorded" if equal else ", which is not quite as it was recorded"
                self._remove(run)
                self._line(f"repeated the run up to step {step}{same}")

    def _begin(self, told: JobsStarted) -> None:
        self._runs, self._done = told.runs, told.finished
        self._all = self._bars.add_task(told.what, total=self._runs, completed=self._done, note="")
        for warning in told.warnings:
            self._line(f"warning: {warning}")
        if told.devices > 1:
            self._line(f"each run on {told.devices} devices")
        if self._done:
            self._line(f"{self._done} of {self._runs} {told.what} are finished already and kept")

    def _start(self, run: tuple[str, int], step: int, total_steps: int) -> None:
        policy, seed = run
        self._tasks[run] = self._bars.add_task(f"  {policy} seed {seed}", total=total_steps, completed=step, note="")

    def _step(self, run: tuple[str, int], step: int) -> None:
        if run in self._tasks:
            self._bars.update(self._tasks[run], completed=step)

    def _recovered(self, run: tuple[str, int], recovery: Recovery) -> None:
        if self._runs <= FEW_RUNS:
            policy, seed = run
            self._line(
                f"{policy} seed {seed}: step {recovery.step}: the loss was back {recovery.recovered_steps} steps later"
            )

    def _grew(self, run: tuple[str, int], line: GrowthLine) -> None:
        note = f"step {line.step}: {event_words(line)}"
        if run in self._tasks:
            self._bars.update(self._tasks[run], note=note)
        if self._runs <= FEW_RUNS:
            policy, seed = run
            self._line(f"{policy} seed {seed}: {note}")

    def _end(self, run: tuple[str, int], words: str) -> None:
        self._remove(run)
        self._done += 1
        if self._all is not None:
            self._bars.update(self._all, completed=self._done)
        policy, seed = run
        self._line(f"[{self._done}/{self._runs}] {policy} seed {seed}: {words}")

    def _remove(self, run: tuple[str, int]) -> None:
        task = self._tasks.pop(run, None)
        if task is not None:
            self._bars.remove_task(task)

    def _line(self, text: str) -> None:
        self._bars.console.print(text, markup=False, soft_wrap=True)


def _measured(result: RunResult) -> str:
    """What the run came to on the test set, or where that was not read on validation data."""
    from growsearch.comparison.metric import metric_of_result

    plain = result.plain()
    metric = metric_of_result(plain)
    if plain.get(metric.key) is None:
        metric = metric.on_validation()
    return f"{metric.words} {metric.show(plain[metric.key])}"


def _words(name: str) -> str:
    return name.replace("_", " ").replace("train ", "training ")
