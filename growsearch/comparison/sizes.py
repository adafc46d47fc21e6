"""The best policies at each size of the final network: what to take where the size is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from growsearch.comparison.control_differences import ControlDifference, Differences
from growsearch.comparison.metric import Metric
from growsearch.comparison.table import TableRow
from growsearch.number_format import counted, human

_MOST = 4  # sizes that a reader can hold
_FACTORS = (1.25, 1.6, 2.5, 4.0)


def size_classes(rows: Sequence[TableRow]) -> list[list[TableRow]]:
    """Return the rows by active parameters, the smallest networks first; in a class the order is that of `rows`.

    A class spans a factor of 1.25, or the least of some larger ones that makes no more than four classes.
    """
    classes: list[list[TableRow]] = []
    for factor in _FACTORS:
        classes = []
        for row in sorted(rows, key=lambda row: row.active):
            if classes and row.active <= factor * classes[-1][0].active:
                classes[-1].append(row)
            else:
                classes.append([row])
        if len(classes) <= _MOST:
            break
    return [[row for row in rows if row in group] for group in classes]


@dataclass(frozen=True)
class SizeComparison:
    """A policy minus the one that it is compared `to`, and its cost as multiples of that one's, in words."""

    policy: str
    to: str
    difference: str
    interval: str
    flops: str
    seconds: str


@dataclass(frozen=True)
class SizeChoice:
    """What to take at one size: the size and what the policy reached, in words. `policy` is None where none gains.

    `reached` is its mean, and `comparisons` are with what else one could take.
    """

    size: str
    policy: str | None
    words: str
    reached: str = ""
    comparisons: tuple[SizeComparison, ...] = ()

    def text(self) -> str:
        """Return the choice as one line."""
        return f"{self.size}: {self.policy or ''}{self.words}"


def best_by_size(metric: Metric, rows: Sequence[TableRow], differences: Differences) -> list[SizeChoice]:
    """Choose for each size class; `rows` are the best first.

    Taken is the fixed network with the best mean, which is the simplest, unless what grows or prunes is above it beyond
    the 95 % interval of their difference, or there is no fixed network. A larger network has to have a better mean.
    """
    masked = any(row.active != row.parameters for row in rows)
    found: list[SizeChoice] = []
    smaller: TableRow | None = None
    for group in size_classes(rows):
        size, (row, words) = _size(group, masked), _choice(metric, group, differences)
        beside = [_comparison(metric, other.policy, fixed.policy, differences) for other, fixed in _rivals(group)]
        if smaller is not None and not metric.better(row.mean, smaller.mean):
            which = "" if row.change else "its fixed network has "
            none = f"{which}no better mean than {smaller.policy}, {metric.show(smaller.mean)}: {row.policy}{words}"
            found.append(SizeChoice(size, None, none, metric.show(row.mean), tuple(beside)))
            continue
        if smaller is not None:
            gain = differences.between(row.policy, smaller.policy)
            words += f" Compared with {smaller.policy}: {_change(metric, gain)}."
            beside.append(_comparison(metric, row.policy, smaller.policy, differences))
        found.append(SizeChoice(size, row.policy, words, metric.show(row.mean), tuple(beside)))
        smaller = row
    return found


def _choice(metric: Metric, group: Sequence[TableRow], differences: Differences) -> tuple[TableRow, str]:
    """What to take of one size, and what is said of it."""
    rivals = _rivals(group)
    if not rivals:
        fixed = group[0] if group[0].change is None else None
        alone = ", the only policy of this size" if len(group) == 1 else ""
        rest = "" if fixed else " No fixed network of this size is in the comparison."
        return group[0], f"{_reached(group[0], metric)}{alone}.{rest}"
    other, fixed = rivals[0]
    one = differences.between(other.policy, fixed.policy)
    change = _change(metric, one)
    ahead = metric.better(other.mean, fixed.mean)
    if ahead and one.sure:
        return other, f"{_reached(other, metric)}; compared with {fixed.policy}, a fixed network: {change}."
    better = (
        f"{other.policy} has a better mean" if ahead else f"the best that {doing([other], 'grows')} is {other.policy}"
    )
    masks = "" if other.active == other.parameters else f" with {other.size()} parameters"
    return fixed, f"{_reached(fixed, metric)}; {better}, {metric.show(other.mean)}{masks}: {change}."


def _rivals(group: Sequence[TableRow]) -> list[tuple[TableRow, TableRow]]:
    """Return the best that grows or prunes, and the best fixed network, where a size has both; else nothing."""
    fixed = next((row for row in group if row.change is None), None)
    other = next((row for row in group if row.change), None)
    return [(other, fixed)] if fixed and other else []


def _comparison(metric: Metric, policy: str, to: str, differences: Differences) -> SizeComparison:
    one = differences.between(policy, to)
    change = "no seed in common" if one.difference is None else metric.show_change(one.difference)
    interval = metric.show_interval(one.interval) if one.interval else ""
    return SizeComparison(policy, to, change, interval, f"{one.flops:.2g} ×", f"{one.seconds:.2g} ×")


def _change(metric: Metric, one: ControlDifference) -> str:
    """`+0.5 points (95 % interval -0.2 to +1.1, perhaps none), with 0.9 times its training FLOPs and so on`."""
    if one.difference is None:
        return f"no seed in common, {one.cost}"
    text, interval = metric.show_change(one.difference), ""
    if one.interval is not None:
        doubt = "" if one.sure else ", perhaps none"
        interval = f" (95 % interval {metric.show_interval(one.interval)}{doubt})"
    return f"{text}{interval}, {one.cost}"


def _reached(row: TableRow, metric: Metric) -> str:
    kind = "" if row.change else ", a fixed network"
    return f"{kind} ({metric.show(row.mean)} after {human(row.training_flops)} training FLOPs)"


def doing(rows: Sequence[TableRow], form: Literal["grow", "grows", "growing"] = "grow") -> str:
    """Return what rows that are no fixed networks do: `grow`, `prune` or `grow or prune`, in one of three forms."""
    prune = {"grow": "prune", "grows": "prunes", "growing": "pruning"}[form]
    done = {row.change for row in rows}
    return " or ".join(word for change, word in (("grows", form), ("prunes", prune)) if change in done)


def _size(group: Sequence[TableRow], masked: bool) -> str:
    """`6,218 to 7,102 parameters`."""
    least, most = (counted(end(row.active for row in group)) for end in (min, max))
    span = least if least == most else f"{least} to {most}"
    return f"{span}{' active' if masked else ''} parameters"
