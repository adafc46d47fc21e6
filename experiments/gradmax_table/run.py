"""The tables of Evci et al., GradMax (ICLR 2022), as `growsearch compare` runs them, whole or at a shorter schedule.

uv run python experiments/gradmax_table/run.py TABLE --data FOLDER [--shorter N] [--seeds N] [--out runs/gradmax_table]

TABLE is wrn28, vgg11, bn_inverse (on CIFAR-10) or wrn28_100 (on 100 classes). FOLDER holds train/CLASS and test/CLASS.
`--shorter 100` divides the epochs and the steps of the growth events by 100: that is not the paper's protocol, and the
results say so. `--policies` runs some of the file's only, `--set` changes the file as `growsearch compare --set` does.
A run that was cut off is continued by the same command. Results are written to
experiments/gradmax_table/results_TABLE.json (results_TABLE_shorter_N.json), or where `--results` says.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from statistics import mean, quantiles
from typing import Any

from growsearch.comparison import compare
from growsearch.config import load_config
from growsearch.execution.job import OfRun
from growsearch.runs.events import JobsStarted, RunFailed, RunFinished

HERE = Path(__file__).parent
TABLES = {
    "wrn28": "cifar10_wrn28",
    "vgg11": "cifar10_vgg11",
    "bn_inverse": str(HERE / "bn_inverse.yaml"),
    "wrn28_100": "cifar100_wrn28",
}
EPOCHS = 200
STEPS = 78_200
EVENTS = range(10_000, 37_501, 2_500)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", choices=TABLES)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--shorter", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=None)
    parser.add_argument("--policies", nargs="+")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--results", type=Path)
    parser.add_argument("--out", type=Path, default=Path("runs/gradmax_table"))
    options = parser.parse_args()
    name = options.table if options.shorter == 1 else f"{options.table}_shorter_{options.shorter}"
    changes = [*overrides(options.data, options.shorter), *options.set]
    config = load_config(TABLES[options.table], changes, seeds=options.seeds)
    if options.policies:
        some = {policy: config.policies[policy] for policy in options.policies}
        config = config.model_copy(update={"policies": some})
    folder = options.out / name
    results = compare(config, folder, workers=options.workers, progress=report)
    environment = json.loads((folder / "environment.json").read_text())
    for policy, found in trimmed(results)["policies"].items():
        found["gradient_ratio_quartiles"] = gradient_ratios(folder / policy)
    content = {
        "schedule": schedule(options.shorter),
        "changed": options.set,
        "environment": environment,
        "results": results,
    }
    (options.results or HERE / f"results_{name}.json").write_text(json.dumps(content, indent=1) + "\n")
    for policy, found in results["policies"].items():
        print(f"{policy:24} {[round(100 * value, 2) for value in found['test_accuracy']]} %")
    print(results["verdict"]["sentence"])


def overrides(data: Path, shorter: int) -> list[str]:
    """What the file is run with: the data, and where it is shorter the epochs and the events."""
    changed = [f"data={{name: image_folder, root: {data}}}"]
    if shorter > 1:
        changed += [
            *length(shorter),
            f"growth.when={{schedule: {{steps: {[step // shorter for step in EVENTS]}}}}}",
        ]
    return changed


def length(shorter: int) -> list[str]:
    """Whole epochs, or steps where it is less than one."""
    if shorter <= EPOCHS:
        return [f"training.epochs={EPOCHS // shorter}"]
    return ["training.epochs=null", f"training.steps={STEPS // shorter}"]


def schedule(shorter: int) -> str:
    whole = f"{EPOCHS} epochs, growth at steps {EVENTS[0]} to {EVENTS[-1]}: the paper's"
    return whole if shorter == 1 else f"1/{shorter} of the paper's: {length(shorter)[-1]}"


def trimmed(results: dict[str, Any]) -> dict[str, Any]:
    """Without what every seed has in common; a policy may have lost seeds that diverged (`failures` says so)."""
    for found in results["policies"].values():
        found["widths"] = found["widths"][:1]
        shares = [part / whole for part, whole in zip(found["growth_seconds"], found["seconds"], strict=True)]
        found["mean_growth_share"] = mean(shares) if shares else None
    return results


def gradient_ratios(folder: Path) -> list[float] | None:
    """Quartiles, over events, sites and seeds, of new units' gradients over old ones', right after an event."""
    lines = [line for path in sorted(folder.glob("seed-*/growth.jsonl")) for line in path.read_text().splitlines()]
    ratios = [ratio for line in lines for ratio in (json.loads(line)["gradient_ratio"] or {}).values()]
    return quantiles(ratios, n=4) if len(ratios) > 1 else None


def report(told: JobsStarted | OfRun) -> None:
    match told:
        case OfRun(policy, seed, RunFinished(result)):
            print(policy, seed, result.value("test_accuracy"), flush=True)
        case OfRun(policy, seed, RunFailed(reason)):
            print(policy, seed, reason, flush=True)


if __name__ == "__main__":
    main()
