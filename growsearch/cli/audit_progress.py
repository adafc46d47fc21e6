"""Progress of an audit on standard error."""

from __future__ import annotations

from typing import Any

from growsearch.cli.progress import RunProgress


class AuditProgress(RunProgress):
    """A context that is called with the events of branches, and of the run that is repeated before them."""

    def _on_compare(self, event: dict[str, Any]) -> None:
        super()._on_compare(event)
        if self._all is not None:
            self._bars.update(self._all, description="branches")

    def _on_finished(self, event: dict[str, Any]) -> None:
        if event["policy"] == "repeat":
            self._finish_repetition(event)
            return
        key = "validation_loss" if "validation_loss" in event else "train_loss"
        words = f"{key.replace('_', ' ').replace('train ', 'training ')} {event[key]:.4g}"
        self._end(event, f"{words}, {event['seconds']:.1f} s")

    def _finish_repetition(self, event: dict[str, Any]) -> None:
        task = self._tasks.pop(("repeat", 0), None)
        if task is not None:
            self._bars.remove_task(task)
        same = ", as it was recorded" if event["equal"] else ", which is not quite as it was recorded"
        self._line(f"repeated the run up to step {event['step']}{same}")
