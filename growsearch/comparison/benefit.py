"""Whether growing was worth it, and pruning, by fixed networks of the final sizes and of the seed's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from growsearch.comparison.control_differences import ControlDifference
from growsearch.comparison.controls import SMALL_COMPUTE
from growsearch.comparison.found_controls import BIG, CONTROLS
from growsearch.comparison.metric import Metric
from growsearch.comparison.sizes import doing
from growsearch.comparison.table import TableRow

_SMALL_IS_ENOUGH = (
    "no policy that grows has a better mean than the network of the seed's size with as many training FLOPs."
)
_LACKING = (
    f"the control that decides is not in this comparison: {CONTROLS[SMALL_COMPUTE]}, which may reach as much "
    f"without growing. To have it, add to the file: controls: [{SMALL_COMPUTE}]."
)
_CHEAPER = 0.95  # of the training FLOPs of the fixed network
_SIZES = ("its final size", "the seed's size, with as many training FLOPs")
_SHORT = {"yes": "It looks so", "not shown": "Not shown", "no": "Not here", "unknown": "Not known"}


@dataclass(frozen=True)
class Benefit:
    """An answer: `action` is growing or pruning, `why` a sentence; it is unknown where the deciding control lacks."""

    action: str
    answer: Literal["yes", "not shown", "no", "unknown"]
    why: str

    def text(self) -> str:
        """Return question, answer and reason."""
        return f"Was {self.action} worth it? {_SHORT[self.answer]}: {self.why}"


@dataclass(frozen=True)
class _Case:
    """A policy beside the fixed network of its final size, and, where it grows, of its seed's at equal FLOPs."""

    row: TableRow
    big: ControlDifference
    small: ControlDifference | None
    sign: int

    @property
    def controls(self) -> list[ControlDifference]:
        return [self.big, *([self.small] if self.small else [])]

    @property
    def lead(self) -> float:
        """How far it is ahead of the better of them, above 0 where it is."""
        return min(self.sign * (one.difference or 0.0) for one in self.controls)

    @property
    def sure(self) -> bool:
        return all(one.sure for one in self.controls)

    def behind(self, one: ControlDifference) -> bool:
        """Whether it is behind this one beyond the interval."""
        return one.sure and self.sign * (one.difference or 0.0) < 0


def benefits(
    metric: Metric, rows: Sequence[TableRow], differences: Mapping[str, Mapping[str, ControlDifference | None]]
) -> list[Benefit]:
    """Answer for growing and for pruning, where a policy does so and has a fixed network of its final size beside it.

    Growing is judged only beside the seed's network trained for as many FLOPs too: what that reaches needs no growing.
    Decided by the policy that is furthest ahead of its fixed networks, and the 95 % intervals of the differences, which
    are not corrected for the number of policies. Where none is ahead, the answer is still open if a policy that takes
    fewer training FLOPs than the network of its final size is not behind any beyond its interval.
    """
    sign = 1 if metric.higher_is_better else -1
    answers = []
    for change in ("grows", "prunes"):
        own = [(row, _known(differences.get(row.policy, {}))) for row in rows if row.change == change]
        cases = [
            _Case(row, known[BIG], known.get(SMALL_COMPUTE) if change == "grows" else None, sign)
            for row, known in own
            if BIG in known
        ]
        decided = [case for case in cases if case.small or change == "prunes"]
        if decided:
            answers.append(_answer(decided))
        elif cases:
            answers.append(Benefit("growing", "unknown", _LACKING))
        elif change == "grows":
            smalls = [known[SMALL_COMPUTE] for _, known in own if SMALL_COMPUTE in known]
            if smalls and all(sign * (small.difference or 0.0) <= 0 for small in smalls):
                answers.append(Benefit("growing", "no", _SMALL_IS_ENOUGH))
    return answers


def _known(own: Mapping[str, ControlDifference | None]) -> dict[str, ControlDifference]:
    """The controls that share seeds with their policy."""
    return {kind: one for kind, one in own.items() if one is not None and one.difference is not None}


def _answer(cases: Sequence[_Case]) -> Benefit:
    best = max(cases, key=lambda case: case.lead)
    action = doing([best.row], "growing")
    named = [f"{one.control} (a fixed network of {size})" for one, size in zip(best.controls, _SIZES, strict=False)]
    ahead = f"{best.row.policy} is ahead of {' and '.join(named)}"
    if best.lead <= 0:
        return _none_ahead(best, cases, action)
    if not best.sure:
        few = any(one.interval is None for one in best.controls)
        why = "so few seeds cannot tell" if few else "not by more than chance explains"
        return Benefit(action, "not shown", f"{ahead}, but {why}.")
    chosen = f", though the first of {len(cases)} looks a little better than it is" if len(cases) > 1 else ""
    return Benefit(action, "yes", f"{ahead} by more than chance explains{chosen}.")


def _none_ahead(best: _Case, cases: Sequence[_Case], action: str) -> Benefit:
    size = "a fixed network of its final size"
    both = f"both {size} and one of the seed's size with as many training FLOPs" if best.small else size
    behind = [one.control for one in best.controls if best.sign * (one.difference or 0.0) <= 0]
    which = f" ({best.row.policy} is not ahead of {' and '.join(behind)})" if best.small else ""
    none = f"no policy that {doing([best.row], 'grows')} has a better mean than {both}{which}"
    cheap = [case for case in cases if case.big.flops < _CHEAPER and not any(map(case.behind, case.controls))]
    if not cheap:
        return Benefit(action, "no", f"{none}.")
    case = max(cheap, key=lambda case: case.lead)
    no_worse = f"{case.row.policy} is not surely worse than {case.big.control}, {case.big.cost}"
    return Benefit(action, "not shown", f"{none}, but {no_worse}.")
