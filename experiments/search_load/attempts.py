"""What does a run cost the process that hands runs out? Runs that do nothing, here and on a simulated Ray cluster.

    uv run --extra cluster python -m experiments.search_load.attempts [--runs 5000] [--on-ray 200] [--slots 32]

Counted are runs a second, those lost or begun twice, and the processor time of the driver for each, which is what one
driver can feed. On Ray every run is a process of its own, which imports torch first: on one machine that is what the
time goes to, and the cluster of one node that is simulated here has but that machine's cores.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from experiments.search_load.empty_job import EmptyJob
from growsearch.config import RunConfig
from growsearch.config.run_config import normalized
from growsearch.execution.cluster import Cluster, connected
from growsearch.execution.cluster.connection import Need
from growsearch.execution.environment import describe_environment
from growsearch.execution.executor import Executor, Local, OnCluster
from growsearch.execution.job import Job
from growsearch.runs.files import write_json

RECORD = Path(__file__).with_suffix(".json")


def measured(executor: Executor, folder: Path, runs: int, config: RunConfig) -> dict[str, Any]:
    """Run so many empty jobs; what was lost, and what it took."""
    jobs: list[Job] = [EmptyJob("empty", seed, config, folder / str(seed), "cpu") for seed in range(runs)]
    began, used = time.perf_counter(), time.process_time()
    failures = executor.run(jobs, lambda told: None)
    seconds, driver = time.perf_counter() - began, time.process_time() - used
    begun = [len(path.read_text().split()) for path in folder.glob("*/begun")]
    return {
        "runs": runs,
        "failed": len(failures),
        "lost": runs - len(begun),
        "begun twice": sum(count > 1 for count in begun),
        "seconds": seconds,
        "runs a second": runs / seconds,
        "driver's milliseconds a run": 1000 * driver / runs,
    }


@contextmanager
def on_ray(folder: Path, slots: int) -> Iterator[Executor]:
    """A cluster of one node with so many slots beside one for the driver."""
    os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"  # as the product sets it, before Ray is imported
    from ray.cluster_utils import Cluster as Simulated

    made = Simulated(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    made.add_node(num_cpus=slots)
    try:
        with connected(Cluster(made.address)) as connection:
            yield OnCluster(connection, folder, Need())
    finally:
        made.shutdown()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5000, help="on this machine")
    parser.add_argument("--on-ray", type=int, default=200)
    parser.add_argument("--slots", type=int, default=32, help="on Ray at most 8: each is a process with torch")
    options = parser.parse_args()
    config = normalized(
        {
            "data": {"name": "digits"},
            "network": {"name": "mlp"},
            "training": {"epochs": 1, "optimizer": {"name": "sgd", "lr": 0.1}},
        }
    )
    environment = asdict(describe_environment("cpu", options.slots, 1, 0))
    record: dict[str, Any] = {key: environment[key] for key in ("git", "packages", "processor", "cores")}
    with tempfile.TemporaryDirectory() as home:
        local = Local(options.slots, 1)
        record["local"] = {"slots": options.slots, **measured(local, Path(home, "local"), options.runs, config)}
        print(record["local"], flush=True)
        write_json(RECORD, record)
        slots = min(8, options.slots)
        with on_ray(Path(home, "ray"), slots) as executor:
            record["ray"] = {"slots": slots, **measured(executor, Path(home, "ray"), options.on_ray, config)}
        print(record["ray"], flush=True)
    write_json(RECORD, record)


if __name__ == "__main__":
    main()
