"""Whether growing was worth it, and pruning, by the fixed networks of the final sizes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from growsearch.comparison.found_controls import BIG
from growsearch.comparison.metric import Metric
from growsearch.comparison.table import TableRow
from growsearch.report.beside import Beside, besides
from growsearch.report.sizes import doing

_CHEAPER = 0.95  # of the training FLOPs of the fixed network


@dataclass(frozen=True)
class Worth:
    """An answer: `deed` is growing or pruning, `why` a sentence."""

    deed: str
    answer: Literal["yes", "not shown", "no"]
    why: str

    def text(self) -> str:
        """Question, answer and reason."""
        short = {"yes": "It looks so", "not shown": "Not shown", "no": "Not here"}[self.answer]
        return f"Was {self.deed} worth it? {short}: {self.why}"


def worth(results: dict[str, Any], rows: Sequence[TableRow], metric: Metric) -> list[Worth]:
    """For growing and for pruning, as far as a policy that does so shares seeds with a fixed network of its final size.

    Decided by the policy that is furthest ahead of its fixed network, and the 95 % interval of their difference, which
    is not corrected for the number of policies. Where none is ahead, the answer is still open if a policy that takes
    fewer training FLOPs is not behind beyond its interval.
    """
    found = besides(results)
    pairs = [(row, one) for row in rows if (one := found.get(row.policy, {}).get(BIG)) and one.difference is not None]
    kinds = [[pair for pair in pairs if pair[0].change == change] for change in ("grows", "prunes")]
    return [_answer(kind, metric) for kind in kinds if kind]


def _answer(pairs: Sequence[tuple[TableRow, Beside]], metric: Metric) -> Worth:
    def lead(pair: tuple[TableRow, Beside]) -> float:
        return (pair[1].difference or 0.0) * (1 if metric.higher_is_better else -1)

    best, one = max(pairs, key=lead)
    deed = doing([best], "growing")
    ahead = f"{best.policy} is ahead of {one.control} (a fixed network of its final size)"
    if lead((best, one)) <= 0:
        none = f"no policy that {doing([best], 'grows')} has a better mean than a fixed network of its final size"
        cheap = [pair for pair in pairs if pair[1].flops < _CHEAPER and not pair[1].sure]
        if not cheap:
            return Worth(deed, "no", f"{none}.")
        row, beside = max(cheap, key=lead)
        no_worse = f"{row.policy} is not surely worse than {beside.control}, {beside.cost}"
        return Worth(deed, "not shown", f"{none}, but {no_worse}.")
    if not one.sure:
        why = "so few seeds cannot tell" if one.interval is None else "by no more than chance explains"
        return Worth(deed, "not shown", f"{ahead}, but {why}.")
    chosen = f", though the first of {len(pairs)} looks a little better than it is" if len(pairs) > 1 else ""
    return Worth(deed, "yes", f"{ahead} by more than chance explains{chosen}.")
