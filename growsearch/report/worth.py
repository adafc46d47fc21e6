"""Whether growing was worth it, by the fixed networks of the final sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from growsearch.comparison.found_controls import BIG
from growsearch.comparison.metric import Metric
from growsearch.comparison.table import TableRow
from growsearch.report.beside import besides
from growsearch.report.sizes import change_words, doing


def worth(results: dict[str, Any], rows: Sequence[TableRow], metric: Metric) -> list[str]:
    """The answer in one sentence; none where no policy grows or no run of a policy and its control share a seed.

    `rows` are the best first. The intervals of the differences are not corrected for their number, which is said where
    it matters: where one of them is above all doubt by itself.
    """
    found = besides(results)
    pairs = [(row, one) for row in rows if (one := found.get(row.policy, {}).get(BIG)) and one.difference is not None]
    if not pairs:
        return []
    pairs.sort(key=lambda pair: pair[1].difference or 0.0, reverse=metric.higher_is_better)
    best, one = pairs[0]
    assert one.difference is not None
    changed = [row for row, _ in pairs]
    start = f"Was {doing(changed, 'growing')} worth it?"
    if not metric.better(one.difference, 0.0):
        none = f"no policy that {doing(changed, 'grows')} has a better mean"
        return [f"{start} Not here: {none} than a fixed network of its final size."]
    said = f"{best.policy} is ahead of {one.control}, a fixed network of its final size: {change_words(metric, one)}"
    if not one.sure:
        return [f"{start} Not shown: {said}."]
    chosen = f" The first of {len(pairs)} looks a little better than it is." if len(pairs) > 1 else ""
    return [f"{start} It looks so: {said}, with {one.flops:.2g} times its training FLOPs.{chosen}"]
