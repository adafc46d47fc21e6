"""What every policy was worth on the way, and what a common target cost it."""

from __future__ import annotations

from statistics import fmean
from typing import Any

from growsearch.comparison.metric import VALIDATION, Metric
from growsearch.comparison.table import human
from growsearch.comparison.trajectory import typical_cost
from growsearch.report.tables import Table


def costs_table(metric: Metric, results: dict[str, Any], names: list[str]) -> Table:
    """The validation metric over the compute spent, and the cost of the target; rows as in `names`."""
    tracks, summaries = results["trajectories"], results["verdict"]["policies"]
    kind = VALIDATION.get(tracks["metric"], metric.on_validation())
    rows = []
    for name in names:
        track = tracks["policies"].get(name)
        if not track or not track["final"]:
            continue
        flops, seconds = typical_cost(track["flops_to_target"]), typical_cost(track["seconds_to_target"])
        reached = sum(cost is not None for cost in track["flops_to_target"])
        rows.append(
            (
                name,
                metric.show(summaries[name]["interquartile_mean"]),
                kind.show(fmean(track["final"])),
                kind.show(fmean(track["average"])),
                "not on every seed" if flops is None else human(flops),
                "" if seconds is None else f"{seconds:.1f}",
                f"{reached} of {len(track['final'])}",
            )
        )
    titles = (
        "policy",
        f"{metric.words}, middle half of the seeds",
        f"final {kind.words}",
        f"{kind.words}, mean over FLOPs",
        "FLOPs to target",
        "seconds to target",
        "reached",
    )
    best = (
        f"95 % of the best policy's final {kind.words}" if kind.higher_is_better else f"the lowest {kind.words} / 0.95"
    )
    caption = (
        f"Target: {kind.words} of {kind.show(tracks['target'])} ({best}), looked for at each evaluation; costs are "
        f"means of the middle half of the seeds. The mean over FLOPs is from {human(tracks['from_flops'])} to "
        f"{human(tracks['to_flops'])} training FLOPs for all policies; one that ended before keeps its last value, "
        "so it favours what learns with few FLOPs over what ends best."
    )
    return Table("costs", "Cost to a target", caption, titles, tuple(rows))
