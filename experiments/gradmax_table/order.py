"""The order that the GradMax paper finds, small < random <= Firefly <= GradMax < big, tested on recorded results.

uv run python experiments/gradmax_table/order.py experiments/gradmax_table/results_TABLE.json ...

Each policy minus the one before it, on the same seeds: mean difference, 95 % interval, exact paired permutation test, p
corrected for the four comparisons by Holm's method.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from growsearch.comparison.metric import metric_of, show_p
from growsearch.comparison.pairs import paired, tested_together

ORDER = ("small", "random", "firefly", "gradmax", "big")


def main() -> None:
    for name in sys.argv[1:]:
        policies = json.loads(Path(name).read_text())["results"]["policies"]
        print(f"{Path(name).stem}\n")
        print("\n".join(["| policy | minus | difference | 95 % interval | p, corrected |", "|---|---|---|---|---|"]))
        print("\n".join(order_rows(policies)), end="\n\n")


def order_rows(policies: dict[str, Any]) -> list[str]:
    """A row for every two neighbours in the order that have seeds in common."""
    metric = metric_of(policies)
    there = [name for name in ORDER if policies.get(name, {}).get("seeds")]
    pairs = [paired(metric, policies, one, before) for before, one in zip(there, there[1:], strict=False)]
    rows = []
    for pair in tested_together(metric, [pair for pair in pairs if pair]):
        interval = metric.show_interval(pair.interval) if pair.interval else "needs six seeds"
        change, p = metric.show_change(pair.mean_difference), show_p(pair.adjusted_p_value or 0.0)
        rows.append(f"| {pair.policy} | {pair.against} | {change} | {interval} | {p} |")
    return rows


if __name__ == "__main__":
    main()
