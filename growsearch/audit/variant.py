"""The branches of an audit: with the event, without it, and with another strategy in the place of its own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from growsearch.errors import InputError
from growsearch.growth import Initializer, Progress, Scheduler, Selector
from growsearch.growth.context import GrowthContext
from growsearch.growth.policy import Policy, strategy
from growsearch.yaml_source import parse_value

Kind = Literal["with", "without", "how", "where"]


@dataclass(frozen=True)
class Variant:
    """One way to go on: `spec` is the strategy of a `how` or `where`, as a file would give it."""

    kind: Kind
    spec: str | dict[str, Any] | None = None

    @property
    def name(self) -> str:
        """As the user wrote it: `with`, `without`, `how random`, `where uniform`."""
        if self.spec is None:
            return self.kind
        if isinstance(self.spec, str):
            return f"{self.kind} {self.spec}"
        [(name, parameters)] = self.spec.items()
        given = ", ".join(f"{key}: {json.dumps(value)}" for key, value in parameters.items())
        return f"{self.kind} {name} ({given})"

    @property
    def key(self) -> str:
        """Short, for file names; different for different variants."""
        if self.spec is None:
            return self.kind
        name = self.spec if isinstance(self.spec, str) else next(iter(self.spec))
        return f"{self.kind}-{name}-{hashlib.sha256(self.name.encode()).hexdigest()[:8]}"

    def policy(self, recorded: Policy, step: int) -> Policy:
        """The run's policy as the branch has it: at most one event more, at `step`."""
        when = Once(inner=recorded.when, step=None if self.kind == "without" else step)
        where, how = recorded.where, recorded.how
        if self.kind == "where" and self.spec is not None:
            where = strategy(Selector, "where", self.spec)  # type: ignore[type-abstract]  # only used for isinstance
        if self.kind == "how" and self.spec is not None:
            how = strategy(Initializer, "how", self.spec)  # type: ignore[type-abstract]  # only used for isinstance
        return Policy(when, where, how)


class Once(Scheduler):
    """Grow at one step, or never, and plan and look as the run's own scheduler does."""

    summary: ClassVar[str] = "at one step"
    source: ClassVar[str] = "audit"

    inner: Scheduler
    step: int | None

    def due(self, progress: Progress) -> bool:
        return progress.step == self.step

    def events_left(self, progress: Progress) -> int | None:
        return self.inner.events_left(progress)

    def watches(self, progress: Progress) -> bool:
        return self.due(progress) and self.inner.watches(progress)

    def look(self, context: GrowthContext) -> dict[str, float]:
        return self.inner.look(context)

    def batches(self) -> int:
        return self.inner.batches()


def parse_variants(how: Sequence[str] = (), where: Sequence[str] = ()) -> list[Variant]:
    """With, without, and a branch for each strategy, `name` or `name:{parameter: value}`.

    `InputError` where a strategy is unknown, has wrong parameters, or is named twice.
    """
    variants = [Variant("with"), Variant("without")]
    variants += [Variant("how", _spec(text, "--how")) for text in how]
    variants += [Variant("where", _spec(text, "--where")) for text in where]
    for one in variants:
        one.policy(Policy.of("never", "uniform", "zero"), 0)
    names = [one.name for one in variants]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"--{twice}: is given twice: name each strategy once")
    return variants


def _spec(text: str, flag: str) -> str | dict[str, Any]:
    """A strategy from the command line, in the words of a file."""
    name, colon, rest = text.partition(":")
    if not name.strip():
        raise InputError(f"{flag} {text}: allowed are a strategy's name, or name:{{parameter: value}}")
    if not colon:
        return name.strip()
    parameters = parse_value(rest, f"{flag} {text}")
    if not isinstance(parameters, dict):
        raise InputError(f"{flag} {text}: allowed are a strategy's name, or name:{{parameter: value}}")
    return {name.strip(): parameters} if parameters else name.strip()
