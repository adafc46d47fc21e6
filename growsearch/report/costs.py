"""What every policy was worth on the way, and what a common target cost it."""

from __future__ import annotations

from growsearch.comparison import ComparisonResults
from growsearch.comparison.metric import VALIDATION
from growsearch.comparison.trajectory import target_costs
from growsearch.number_format import human
from growsearch.report.tables import Table


def costs_table(results: ComparisonResults) -> Table | None:
    """Show the validation metric over the compute spent, and the cost of the target; None without validation."""
    tracks, found = results.trajectories, results.conclusions
    if not tracks:
        return None
    metric, kind = found.ranked_by, VALIDATION.get(tracks["metric"], found.ranked_by.on_validation())
    rows = tuple(
        (
            one.policy,
            metric.show(found.policies[one.policy].interquartile_mean),
            kind.show(one.end),
            kind.show(one.average),
            "not on every seed" if one.flops is None else human(one.flops),
            "" if one.seconds is None else f"{one.seconds:.1f}",
            f"{one.reached} of {one.seeds}",
        )
        for one in target_costs(tracks, [row.policy for row in results.rows()])
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
    return Table("costs", "Cost to a target", caption, titles, rows)
