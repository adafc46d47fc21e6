"""What the growth steps of shipped protocols compute, which training FLOPs recorded before did not include.

    uv run python experiments/growth_flops/measure.py

What an event computes depends on shapes, not on values, weights or the seed, so generated images do. It is a straight
line in the samples of a batch, and, where one convolution of each block grows by equal steps, in the number of the
event: two small batches and the first two events tell the whole run's. Training FLOPs are those of the recorded runs.
Writes results.json.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from growsearch import Grower
from growsearch.config import load_config
from growsearch.config.run_config import RunConfig
from growsearch.networks import build_network

HERE = Path(__file__).parent
SAMPLES = (1, 2)
PROTOCOLS = {
    "wrn28": ("cifar10_wrn28", "results_wrn28_shorter_100.json", 12, 10),
    "wrn28_100": ("cifar100_wrn28", "results_wrn28_100_shorter_200.json", 12, 100),
}


def main() -> None:
    path = HERE / "results.json"
    found = json.loads(path.read_text()) if path.exists() else {}
    for name, (file, recorded, events, classes) in PROTOCOLS.items():
        policies = json.loads((HERE.parent / "gradmax_table" / recorded).read_text())["results"]["policies"]
        for policy, config in load_config(file).policy_configs().items():
            if not config.growth.grows or name in found and policy in found[name]:
                continue
            growing = growth_flops(config, events, classes)
            training = policies[policy]["training_flops"][0]
            share = {
                "growth_flops": growing,
                "recorded_training_flops": training,
                "ratio": round(growing / training, 4),
            }
            found.setdefault(name, {})[policy] = share
            print(name, policy, share, flush=True)
            path.write_text(json.dumps(found, indent=1) + "\n")


def growth_flops(config: RunConfig, events: int, classes: int) -> int:
    """Of all events of a run, at the batch size of the protocol."""
    size = config.growth.statistics.batch_size or config.training.batch_size
    (few, later), (more, later_more) = (measured(config, classes, samples) for samples in SAMPLES)
    first, second = (a + (b - a) * (size - SAMPLES[0]) for a, b in ((few, more), (later, later_more)))
    return sum(first + event * (second - first) for event in range(events))


def measured(config: RunConfig, classes: int, samples: int) -> list[int]:
    """Of the first two events, at another batch size."""
    torch.manual_seed(0)
    model = build_network(config.network, (3, 32, 32), classes)
    batches = [(torch.randn(samples, 3, 32, 32), torch.randint(classes, (samples,))) for _ in range(32)]
    growth = config.growth
    grower = Grower(
        model,
        torch.optim.SGD(model.parameters(), 0.1),
        torch.randn(2, 3, 32, 32),
        objective=objective,
        batches=batches,
        when={"interval": {"every": 1, "count": 12}},
        where=growth.where,
        how=growth.how,
        budget={"width": config.grown_width()},
        amount=growth.amount,
        sites=growth.sites,
        statistics_batches=growth.statistics.batches,
        report=None,
    )
    events = [grower.step() for _ in range(2)]
    assert all(event is not None and event.refused is None for event in events), events
    return [event.growth_flops for event in events if event is not None]


def objective(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    return cross_entropy(model(batch[0]), batch[1])


if __name__ == "__main__":
    main()
