"""Progress of runs on standard error: a bar for all, a bar for each run, growth events as they happen."""

from __future__ import annotations

from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

FEW_RUNS = 3


class RunProgress:
    """A context that is called with the events of runs (see `growsearch.comparison.compare`).

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

    def __call__(self, event: dict[str, Any]) -> None:
        """Show one event; kinds that are not known are passed over."""
        handler = getattr(self, f"_on_{event.get('kind')}", None)
        if handler is not None:
            handler(event)

    def _on_compare(self, event: dict[str, Any]) -> None:
        self._runs, self._done = event["runs"], event["finished"]
        self._all = self._bars.add_task("runs", total=self._runs, completed=self._done, note="")
        for warning in event.get("warnings", []):
            self._line(f"warning: {warning}")
        if self._done:
            self._line(f"{self._done} of {self._runs} runs are finished already and kept")

    def _on_started(self, event: dict[str, Any]) -> None:
        policy, seed = _run_of(event)
        self._tasks[policy, seed] = self._bars.add_task(
            f"  {policy} seed {seed}", total=event["total_steps"], completed=event["step"], note=""
        )

    def _on_step(self, event: dict[str, Any]) -> None:
        task = self._tasks.get(_run_of(event))
        if task is not None:
            self._bars.update(task, completed=event["step"])

    _on_row = _on_step

    def _on_growth(self, event: dict[str, Any]) -> None:
        note = growth_note(event)
        task = self._tasks.get(_run_of(event))
        if task is not None:
            self._bars.update(task, note=note)
        if self._runs <= FEW_RUNS:
            policy, seed = _run_of(event)
            self._line(f"{policy} seed {seed}: {note}")

    def _on_finished(self, event: dict[str, Any]) -> None:
        from growsearch.comparison.metric import metric_of_result

        metric = metric_of_result(event)
        result = f"{metric.words} {metric.show(event[metric.key])}"
        self._end(event, f"{result}, {event['parameters']:,} parameters, {event['seconds']:.1f} s")

    def _on_failed(self, event: dict[str, Any]) -> None:
        self._end(event, f"failed: {event.get('reason', '')}")

    def _end(self, event: dict[str, Any], words: str) -> None:
        policy, seed = _run_of(event)
        task = self._tasks.pop((policy, seed), None)
        if task is not None:
            self._bars.remove_task(task)
        self._done += 1
        if self._all is not None:
            self._bars.update(self._all, completed=self._done)
        self._line(f"[{self._done}/{self._runs}] {policy} seed {seed}: {words}")

    def _line(self, text: str) -> None:
        self._bars.console.print(text, markup=False, soft_wrap=True)


def _run_of(event: dict[str, Any]) -> tuple[str, int]:
    return str(event.get("policy", "run")), int(event.get("seed", 0))


def growth_note(event: dict[str, Any]) -> str:
    """A growth event in a few words."""
    if event.get("refused"):
        return f"step {event['step']}: growth refused: {event['refused']}"
    sites = event.get("sites") or {}
    grown = ", ".join(f"{name} +{units}" for name, units in list(sites.items())[:4])
    more = f" and {len(sites) - 4} more" if len(sites) > 4 else ""
    parts = [f"grew {grown}{more}"] if sites else []
    for did, count, what in (
        ("removed", sum((event.get("removed") or {}).values()), "units"),
        ("regrew", event.get("regrown"), "connections"),
        ("pruned", event.get("pruned"), "connections"),
    ):
        parts += [f"{did} {count:,} {what}"] if count else []
    sizes = f"{event['parameters_before']:,} to {event['parameters_after']:,} parameters"
    if event.get("active_after") not in (None, event["parameters_after"]):
        sizes = f"{event['active_before']:,} to {event['active_after']:,} active parameters"
    return f"step {event['step']}: {', '.join(parts)} ({sizes})"
