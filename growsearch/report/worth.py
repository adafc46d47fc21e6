"""Whether growing was worth it, and pruning, by fixed networks of the final sizes and of the seed's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from growsearch.comparison.controls import SMALL_COMPUTE
from growsearch.comparison.found_controls import BIG, CONTROLS
from growsearch.comparison.metric import Metric
from growsearch.comparison.table import TableRow
from growsearch.report.beside import Beside, besides
from growsearch.report.sizes import doing

_SMALL_IS_ENOUGH = (
    "no policy that grows has a better mean than the network of the seed's size with as many training FLOPs."
)
_CHEAPER = 0.95  # of the training FLOPs of the fixed network
_SIZES = ("its final size", "the seed's size, with as many training FLOPs")


@dataclass(frozen=True)
class Worth:
    """An answer: `deed` is growing or pruning, `why` a sentence; it is unknown where the control that decides lacks."""

    deed: str
    answer: Literal["yes", "not shown", "no", "unknown"]
    why: str

    def text(self) -> str:
        """Question, answer and reason."""
        short = {"yes": "It looks so", "not shown": "Not shown", "no": "Not here", "unknown": "Not known"}[self.answer]
        return f"Was {self.deed} worth it? {short}: {self.why}"


@dataclass(frozen=True)
class _Case:
    """A policy beside the fixed network of its final size, and, where it grows, of its seed's at equal FLOPs."""

    row: TableRow
    big: Beside
    small: Beside | None
    sign: int

    @property
    def lead(self) -> float:
        """How far it is ahead of the better of them, above 0 where it is."""
        return min(self.sign * (one.difference or 0.0) for one in self.beside)

    @property
    def beside(self) -> list[Beside]:
        return [self.big, *([self.small] if self.small else [])]

    def behind(self, one: Beside) -> bool:
        """Whether it is behind this one beyond the interval."""
        return one.sure and self.sign * (one.difference or 0.0) < 0

    @property
    def sure(self) -> bool:
        return all(one.sure for one in self.beside)


def worth(results: dict[str, Any], rows: Sequence[TableRow], metric: Metric) -> list[Worth]:
    """For growing and for pruning, as far as a policy that does so shares seeds with a fixed network of its final size.

    Growing is judged only beside the seed's network trained for as many FLOPs too: what that reaches needs no growing.
    Decided by the policy that is furthest ahead of its fixed networks, and the 95 % intervals of the differences, which
    are not corrected for the number of policies. Where none is ahead, the answer is still open if a policy that takes
    fewer training FLOPs than the network of its final size is not behind any beyond its interval.
    """
    found, sign = besides(results), 1 if metric.higher_is_better else -1
    answers = []
    for change in ("grows", "prunes"):
        beside = [(row, found.get(row.policy, {})) for row in rows if row.change == change]
        cases = [
            _Case(row, big, _known(own.get(SMALL_COMPUTE)) if change == "grows" else None, sign)
            for row, own in beside
            if (big := _known(own.get(BIG)))
        ]
        decided = [case for case in cases if case.small or change == "prunes"]
        if decided:
            answers.append(_answer(decided))
        elif cases:
            answers.append(Worth("growing", "unknown", _lacking()))
        elif change == "grows":
            smalls = [small for _, own in beside if (small := _known(own.get(SMALL_COMPUTE)))]
            if smalls and all(sign * (small.difference or 0.0) <= 0 for small in smalls):
                answers.append(Worth("growing", "no", _SMALL_IS_ENOUGH))
    return answers


def _known(one: Beside | None) -> Beside | None:
    return one if one is not None and one.difference is not None else None


def _lacking() -> str:
    return (
        f"the control that decides is not in this comparison: {CONTROLS[SMALL_COMPUTE]}, which may reach as much "
        f"without growing. The file asks for it by controls: [{SMALL_COMPUTE}]."
    )


def _answer(cases: Sequence[_Case]) -> Worth:
    best = max(cases, key=lambda case: case.lead)
    deed = doing([best.row], "growing")
    first, *others = [
        f"{one.control} (a fixed network of {size})" for one, size in zip(best.beside, _SIZES, strict=False)
    ]
    ahead = f"{best.row.policy} is ahead of {' and '.join([first, *others])}"
    if best.lead <= 0:
        smaller = " and than one of the seed's size with as many training FLOPs" if best.small else ""
        none = (
            f"no policy that {doing([best.row], 'grows')} has a better mean than a fixed network of its final size"
            f"{smaller}"
        )
        cheap = [case for case in cases if case.big.flops < _CHEAPER and not any(map(case.behind, case.beside))]
        if not cheap:
            return Worth(deed, "no", f"{none}.")
        case = max(cheap, key=lambda case: case.lead)
        no_worse = f"{case.row.policy} is not surely worse than {case.big.control}, {case.big.cost}"
        return Worth(deed, "not shown", f"{none}, but {no_worse}.")
    if not best.sure:
        few = any(one.interval is None for one in best.beside)
        why = "so few seeds cannot tell" if few else "not by more than chance explains"
        return Worth(deed, "not shown", f"{ahead}, but {why}.")
    chosen = f", though the first of {len(cases)} looks a little better than it is" if len(cases) > 1 else ""
    return Worth(deed, "yes", f"{ahead} by more than chance explains{chosen}.")
