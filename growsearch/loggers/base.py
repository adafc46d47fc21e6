"""What a logger is, and how runs are put into numbers and words for all of them."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from growsearch.runs.event_words import event_words
from growsearch.runs.layout import is_trial
from growsearch.runs.records import GrowthLine, MetricsRow, RunResult

Content = Mapping[str, Any]

GROWTH, FINAL = "growth", "final"
_OF_GROWTH = (
    "parameters_before",
    "parameters_after",
    "active_after",
    "flops_before",
    "flops_after",
    "predicted_change",
    "measured_change",
    "seconds",
)


@dataclass(frozen=True)
class LoggedRun:
    """One policy with one seed: its folder, its resolved configuration, and what tells it from other runs there."""

    folder: Path
    config: dict[str, Any]
    seed: int
    identity: str

    @property
    def name(self) -> str:
        """The run's folder by its last parts: `RUN/POLICY/seed-K`, `RUN/trials/N/seed-K`."""
        parts = self.folder.resolve().parts
        return "/".join(parts[-4:] if is_trial(self.folder.resolve().parent) else parts[-3:])

    @property
    def parameters(self) -> dict[str, Any]:
        """The configuration and the seed, flat: `training.optimizer.lr` and so on."""
        return {**flat(self.config), "seed": self.seed}


class Logger(ABC):
    """Writes down one run; found by name through the entry points `growsearch.loggers`.

    Each time that a run starts or is resumed a logger is made for it, and given every row and growth event since the
    run's beginning, in their order: it begins anew, or passes over what it has. It works in a thread of its own, and
    what it raises ends the logging, not the training.
    """

    needs: ClassVar[tuple[str, ...]] = ()  # packages
    extra: ClassVar[str] = ""  # of growsearch, that installs them

    @abstractmethod
    def __init__(self, run: LoggedRun) -> None: ...

    @abstractmethod
    def row(self, row: MetricsRow) -> None:
        """Write a row of metrics down."""

    @abstractmethod
    def growth(self, event: GrowthLine) -> None:
        """Write a growth event down, one that was refused included."""

    @abstractmethod
    def finish(self, result: RunResult) -> None:
        """Write the result down: the run is finished."""

    @abstractmethod
    def close(self) -> None:
        """The end, after `finish` or an interruption."""


def row_numbers(row: MetricsRow) -> dict[str, float]:
    """Return the numbers of a row by name, `sizes/SITE` among them."""
    return numbers({key: value for key, value in row.plain().items() if key != "step"})


def growth_numbers(event: GrowthLine) -> dict[str, float]:
    """Return the numbers of a growth event: `growth/units/SITE`, `growth/parameters_after` and so on."""
    known = {key: getattr(event, key) for key in _OF_GROWTH}
    return numbers({GROWTH: {"units": event.sites, "removed": event.removed, **known}})


def final_numbers(result: RunResult) -> dict[str, float]:
    """Return the numbers of a result: `final/test_accuracy`, `final/widths/SITE` and so on."""
    return numbers({FINAL: {key: value for key, value in result.plain().items() if key != "seed"}})


def growth_words(event: GrowthLine) -> str:
    """Return a growth event in a line, with its strategies and what it did to the loss."""
    parts = [f"{event.when} + {event.where} + {event.how}: {event_words(event)}"]
    for word, value in (("predicted", event.predicted_change), ("measured", event.measured_change)):
        parts += [] if value is None or event.refused else [f"{word} change of the loss {value:.3g}"]
    return ", ".join(parts)


def flat(tree: Content, prefix: str = "") -> dict[str, Any]:
    """Leaves of nested mappings by dotted path; lists as JSON, empty mappings and nulls left out."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{key}.")
        elif value is not None:
            found[f"{prefix}{key}"] = json.dumps(value) if isinstance(value, list | tuple) else value
    return found


def numbers(tree: Content, prefix: str = "") -> dict[str, float]:
    """The numbers of nested mappings by path, joined by slashes."""
    found: dict[str, float] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            found |= numbers(value, f"{prefix}{key}/")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found[f"{prefix}{key}"] = float(value)
    return found
