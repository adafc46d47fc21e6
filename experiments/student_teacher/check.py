"""Read a finished `growsearch compare student_teacher` and hold it against the reference.

    uv run growsearch compare student_teacher --out runs/student_teacher
    uv run python experiments/student_teacher/check.py runs/student_teacher experiments/student_teacher/results.json

The reference is an independent implementation of the same task (30 pairs of teacher and initialisation, mean and
standard error of the final training loss). Exit code 1 if a mean is off by more than three combined standard errors,
or if GradMax wins fewer than 20 of 30 pairs against signed random growth.
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path

REFERENCE = {
    "small": (0.776, 0.039),
    "big": (0.054, 0.010),
    "random": (0.178, 0.013),
    "random_positive": (0.191, 0.012),
    "gradmax": (0.111, 0.011),
}


def mean_and_error(values: list[float]) -> tuple[float, float]:
    return statistics.mean(values), statistics.stdev(values) / len(values) ** 0.5


def main() -> int:
    folder, target = Path(sys.argv[1]), Path(sys.argv[2])
    results = json.loads((folder / "results.json").read_text())
    environment = json.loads((folder / "environment.json").read_text())
    losses = {name: row["test_loss"] for name, row in results["policies"].items()}
    rows = {}
    good = True
    for name, (wanted, wanted_error) in REFERENCE.items():
        mean, error = mean_and_error(losses[name])
        distance = abs(mean - wanted) / (error**2 + wanted_error**2) ** 0.5
        good &= distance <= 3
        rows[name] = {"mean": round(mean, 4), "standard_error": round(error, 4), "distance": round(distance, 2)}
        print(f"{name:16} {mean:.3f} +- {error:.3f}   reference {wanted:.3f} +- {wanted_error:.3f}  {distance:.1f} SE")
    pairs = [r - g for r, g in zip(losses["random"], losses["gradmax"], strict=True)]
    wins = sum(p > 0 for p in pairs)
    mean, error = mean_and_error(pairs)
    print(f"random - gradmax: {mean:.3f} +- {error:.3f}, GradMax wins {wins} of {len(pairs)} pairs")
    good &= wins >= 20
    seconds = sum(sum(row["seconds"]) for row in results["policies"].values())
    record = {
        "command": "uv run growsearch compare student_teacher --out runs/student_teacher",
        "git": environment["git"],
        "environment": {k: environment.get(k) for k in ("packages", "processor", "cores", "device", "workers")},
        "final_loss": rows,
        "pairs": {"difference": round(mean, 4), "standard_error": round(error, 4), "wins": wins, "of": len(pairs)},
        "seconds_of_all_runs": round(seconds, 1),
        "losses": {name: [round(v, 5) for v in values] for name, values in losses.items()},
    }
    target.write_text(json.dumps(record, indent=1) + "\n")
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
