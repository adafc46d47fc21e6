"""A policy: when, where and how, made from what a user writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from growsearch.errors import GrowsearchError, GrowthWarning, InputError
from growsearch.growth.candidate import Candidate, named
from growsearch.growth.progress import Progress
from growsearch.growth.step import Names
from growsearch.growth.strategy import Initializer, Scheduler, Selector, Strategy
from growsearch.pydantic_words import refusal
from growsearch.registry import lookup, names, nearest, registered
from growsearch.warning import warn_caller

S = TypeVar("S", bound=Strategy)
Spec = str | Mapping[str, Any] | Strategy


def strategy(kind: type[S], group: str, spec: Spec) -> S:
    """A strategy from a name, `{name: {parameter: value}}`, or an object; `InputError` says what is wrong."""
    if isinstance(spec, kind):
        return spec
    if isinstance(spec, str):
        spec = {spec: {}}
    if not isinstance(spec, Mapping) or len(spec) != 1:
        raise InputError(f"{group}: give a name, {{name: {{parameter: value}}}} or a {kind.__name__}, found {spec!r}")
    name, parameters = next(iter(spec.items()))
    if not isinstance(parameters or {}, Mapping):
        raise InputError(f"{group} {name}: give its parameters as a mapping, found {parameters!r}")
    found = lookup(group, name)
    try:
        made = found(**(parameters or {}))
    except ValidationError as error:
        fields = list(kind.model_fields if not issubclass(found, kind) else found.model_fields)
        problems = "; ".join(_problem(detail, fields) for detail in error.errors())
        raise InputError(f"{group} {name}: {problems} (parameters: {', '.join(fields) or 'none'})") from None
    if not isinstance(made, kind):
        raise InputError(
            f"{group} {name}: its class {found.__qualname__} is no {kind.__name__}: its entry point belongs to another "
            f"group than growsearch.{group}"
        )
    return made


def _problem(detail: ErrorDetails, fields: Sequence[str]) -> str:
    name = ".".join(map(str, detail["loc"]))
    if detail["type"] == "missing":
        return f"{name}: missing"
    if detail["type"] == "extra_forbidden":
        return f"unknown parameter {name!r}{nearest(name, fields)}"
    said = refusal(detail).line(detail["input"])
    return f"{name}: {said}" if name else said


def strategy_name(group: str, strategy: Strategy) -> str:
    """The name under which a strategy's class is installed, or the class's own name."""
    kind = type(strategy)
    # What is registered as this class first: to ask whether another name is one of it imports its strategy.
    known = sorted(names(group), key=lambda name: registered(group, name) != f"{kind.__module__}:{kind.__qualname__}")
    return next((name for name in known if _is(group, name, kind)), kind.__name__)


def _is(group: str, name: str, kind: type[Strategy]) -> bool:
    """Whether `kind` is registered as `name`; a class that runs is in no package that cannot be imported."""
    try:
        return lookup(group, name) is kind
    except GrowsearchError:
        return False


@dataclass(frozen=True)
class Policy:
    """The three decisions."""

    when: Scheduler
    where: Selector
    how: Initializer

    @staticmethod
    def of(when: Spec, where: Spec, how: Spec) -> Policy:
        """From three specifications; see `strategy`. `InputError` where the selector takes nothing of what is made."""
        policy = Policy(
            strategy(Scheduler, "when", when),  # type: ignore[type-abstract]  # only used for isinstance
            strategy(Selector, "where", where),  # type: ignore[type-abstract]  # only used for isinstance
            strategy(Initializer, "how", how),  # type: ignore[type-abstract]  # only used for isinstance
        )
        made, takes, names = policy.how.made(), policy.where.takes, policy.names
        if not made & takes:
            raise InputError(
                f"where {names.where} takes {named(takes)}, and how {names.how} makes {named(made)}: choose another of "
                "the two"
            )
        if policy.how.stacks() and "gradient_matrix" in policy.when.needs:
            raise InputError(
                f"when {names.when} looks at gradients of new units or layers, and how {names.how} makes blocks: "
                "choose another of the two"
            )
        return policy

    @property
    def names(self) -> Names:
        """Their names."""
        return Names(
            strategy_name("when", self.when), strategy_name("where", self.where), strategy_name("how", self.how)
        )


def require_measured(policy: Policy, objective: object, batches: object) -> None:
    """`InputError` where a strategy needs something measured, and there is no objective or no batch to do it with."""
    none = batches is None or (isinstance(batches, Sequence) and not batches)
    if objective is not None and not none:
        return
    for one in (policy.when, policy.where, policy.how):
        if one.needs:
            name, what = getattr(policy.names, one.group), ", ".join(sorted(one.needs)).replace("_", " ")
            raise InputError(f"{one.group} {name} needs {what}: give objective=... and batches=...")


def warn_of_change(before: Mapping[str, str] | None, policy: Policy) -> None:
    """Tell where growth goes on by other strategies than those of a state (None: it does not say)."""
    now = asdict(policy.names)
    if changed := [group for group in now if before is not None and before[group] != now[group]]:
        old, new = (", ".join(f"{group} {given[group]}" for group in changed) for given in (before or {}, now))
        warn_caller(f"the state is of a grower with {old}; from now on growth goes by {new}", GrowthWarning)


def warn_of_missing(metric: str | None, progress: Progress) -> None:
    """Tell where the metric by which growth is decided was in none of the reports of earlier steps."""
    if metric is None or metric in progress.metrics or not progress.reported:
        return
    if progress.reported[-1][0] < progress.step:
        had = ", ".join(progress.metrics) or "nothing"
        warn_caller(
            f"growth waits for {metric!r}, which no report has had so far (they had {had}); without it the network "
            "never grows",
            GrowthWarning,
        )


def require_declared(policy: Policy, proposed: Sequence[Candidate]) -> None:
    """`InputError` where the initializer proposed a kind of candidate that is not among those it `makes`."""
    kinds = frozenset(type(c) for c in proposed)
    if kinds - policy.how.makes:
        raise InputError(
            f"how {policy.names.how} proposed {named(kinds - policy.how.makes)}, and says that it makes "
            f"{named(policy.how.makes)}: declare all kinds in `makes`"
        )
