"""Read a finished comparison into results.json, and print the tables of the README.

uv run growsearch compare experiments/growth_pays/past_crossing.yaml --set 'data.files=[tinyshakespeare.txt]' \\
    --workers 1 --out runs/past_crossing
uv run python experiments/growth_pays/summarise.py past_crossing runs/past_crossing

A third argument is the first seed that counts: the six of past_crossing made the choice that confirm.yaml tries again.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from growsearch.runs.store import read_growth, read_rows
from growsearch.statistics import difference_interval, permutation_p_value

HERE = Path(__file__).parent
ENDS = ("test_loss", "test_accuracy", "parameters", "training_flops", "seconds")


def main() -> None:
    study, folder = sys.argv[1], Path(sys.argv[2])
    first = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    results = json.loads((folder / "results.json").read_text())
    environment = json.loads((folder / "environment.json").read_text())
    target = HERE / "results.json"
    record = json.loads(target.read_text()) if target.exists() else {}
    policies = {name: policy(folder / name, row, first) for name, row in results["policies"].items()}
    fixed = [name for name, own in policies.items() if not own["growth"]]
    growing = [name for name in policies if name not in fixed]
    record[study] = {
        "git": environment["git"],
        "environment": {k: environment.get(k) for k in ("packages", "processor", "cores", "device", "workers")},
        "tuning": results["verdict"].get("tuning"),
        "policies": policies,
        "differences": {
            name: {other: against(policies[name]["test_loss"], policies[other]["test_loss"]) for other in fixed}
            for name in growing
        },
    }
    target.write_text(json.dumps(record) + "\n")
    for name, own in policies.items():
        losses = own["test_loss"]
        print(
            f"| {name} | {tuned(record[study]['tuning'], name)}{fmean(losses):.4f} ± {stdev(losses):.4f} | "
            f"{own['parameters'][-1]:,} | {fmean(own['training_flops']) / 1e12:.3f} T | {fmean(own['seconds']):.0f} |"
        )
    for name, others in record[study]["differences"].items():
        cells = [
            f"{one['mean']:+.4f} [{one['interval'][0]:+.4f}, {one['interval'][1]:+.4f}], p {one['p']:.3f}, "
            f"{one['lower']} of {len(policies[name]['test_loss'])}"
            for one in others.values()
        ]
        print(f"| {name} | {' | '.join(cells)} |")


def tuned(tuning: dict[str, Any] | None, name: str) -> str:
    """The cells of the learning rate and of the pilot's loss; none where nothing was tuned."""
    if tuning is None:
        return ""
    arm = tuning["arms"][name]
    return f"{arm['learning_rate']:g} | {min(arm['losses']):.4f} | "


def policy(folder: Path, row: dict[str, Any], first: int) -> dict[str, Any]:
    """What is kept of a policy: by seed, from `first` on, its end, its growth and its curve on validation text."""
    kept = [index for index, seed in enumerate(row["seeds"]) if seed >= first]
    seeds = [folder / f"seed-{row['seeds'][index]}" for index in kept]
    return {
        **{key: [row[key][index] for index in kept] for key in ENDS if key in row},
        "growth": [
            [line.step, line.parameters_before, line.parameters_after, line.measured_change]
            for seed in seeds
            for line in read_growth(seed)
        ],
        "curves": [
            [[one.training_flops, round(one.value("validation_loss") or 0.0, 4)] for one in read_rows(seed)]
            for seed in seeds
        ],
    }


def against(losses: list[float], others: list[float]) -> dict[str, Any]:
    """Mean of (one - other) over the seeds, its 95 % interval, p of the exact permutation test, how many are lower."""
    paired = [one - other for one, other in zip(losses, others, strict=True)]
    interval, p = difference_interval(paired), permutation_p_value(paired)
    return {"mean": fmean(paired), "interval": interval, "p": p, "lower": sum(each < 0 for each in paired)}


if __name__ == "__main__":
    main()
