"""Does the loss a few steps after a growth rank the ways of growing as their final loss does?

OMP_NUM_THREADS=1 uv run python experiments/short_lag/run.py --text tinyshakespeare.txt --images .data/cifar10

For each seed one checkpoint of a small network; from it every operator grows a copy to about the same parameters, which
trains on over the same batches to the same FLOPs, those of the growth event included. Three tables: a GPT on characters
(`--text`), the same trained further before and after, and a convolutional network on CIFAR-10 (`--images`, with
train/CLASS and test/CLASS). Written to results.json after every run; the same command goes on where it was cut off.
`summarise.py` prints the tables.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from growsearch import Grower
from growsearch.data import Batches, DataSet, evaluation_batches, load_data
from growsearch.execution.environment import describe_environment
from growsearch.networks import build_network
from growsearch.training.compute import training_flops_per_sample

HERE = Path(__file__).parent
SEEDS = 6
Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Operator:
    """A way of growing: the strategy, what the budget allows, and the sites."""

    how: Any
    budget: Mapping[str, float] = field(default_factory=dict)
    sites: tuple[str, ...] | None = None
    amount: float | None = None


@dataclass(frozen=True)
class Study:
    """A seed network, how it trains, and the operators."""

    network: Mapping[str, Any]
    batch: int
    before: int  # steps until the checkpoint
    after: int  # steps that the grown network would train, at the FLOPs of `reference`
    lr: float
    reference: str
    validation: int  # samples that are held out for the losses
    operators: Mapping[str, Operator]
    lags: tuple[int, ...] = (1, 4, 16, 48)


def of_width(amount: float, sites: tuple[str, ...], hows: Mapping[str, Any]) -> dict[str, Operator]:
    return {name: Operator(how, {"width": 1 + amount}, sites, amount) for name, how in hows.items()}


WIDTH: dict[str, Any] = {
    "zero": "zero",
    "random": "random",
    "gradmax": "gradmax",
    "split": "split",
    "copy_width": "copy_width",
    "copy_width_symmetric": {"copy_width": {"shares": "symmetric"}},
    "variance_transfer": "variance_transfer",
    "firefly": {"firefly": {"pool": 1, "splits": 0}},
}
DEPTH: dict[str, Any] = {
    "stack_interleave": {"stack": {"order": "interleave"}},
    "stack_stack": {"stack": {"order": "stack"}},
    "stack_reset": {"stack": {"order": "stack", "optimizer_state": "reset"}},
    "identity_blocks": "identity_blocks",
}
STUDIES = {
    "text": Study(
        network={"name": "gpt", "depth": 2, "embedding": 32, "heads": 2},
        batch=16,
        before=200,
        after=240,
        lr=4e-3,
        reference="zero",
        validation=256,
        operators=of_width(1.0, ("blocks.*.mlp.up",), WIDTH)
        | {name: Operator(how, {"depth": 1.5}) for name, how in DEPTH.items()},
    ),
    "images": Study(
        network={"name": "small_cnn", "channels": [8, 16, 32], "norm": True},
        batch=64,
        before=150,
        after=150,
        lr=4e-3,
        reference="zero",
        validation=1000,
        operators=of_width(1.0, ("*",), {**WIDTH, "random_unit": {"random": {"scale": 1.0}}}),
    ),
}
STUDIES["text_longer"] = replace(STUDIES["text"], before=600, after=480, lr=1.2e-2, lags=(1, 4, 16, 48, 144))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=Path)
    parser.add_argument("--images", type=Path)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--out", type=Path, default=HERE / "results.json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    environment = asdict(describe_environment("cpu", 1, 1, options.seeds))
    record = json.loads(options.out.read_text()) if options.out.exists() else {"environment": environment, "runs": {}}
    data = {
        "text": options.text
        and {"name": "text", "files": [str(options.text)], "vocabulary": "characters", "context": 64},
        "images": options.images and {"name": "image_folder", "root": str(options.images)},
    }
    loaded = {name: load_data(spec, 0) for name, spec in data.items() if spec}
    if "text" in loaded:
        loaded["text_longer"] = loaded["text"]
    for seed in range(options.seeds):  # seed by seed, so that what is there of a run that was cut off is balanced
        for name, found in loaded.items():
            study, own = STUDIES[name], record["runs"].setdefault(name, {})
            missing = [operator for operator in study.operators if str(seed) not in own.get(operator, {})]
            if not missing:
                continue
            start = Training(study, found, seed)
            start.train(study.before)
            limit = study.after * flops_of_step(study, found, start)
            for operator in missing:
                own.setdefault(operator, {})[str(seed)] = grown(study, start, operator, limit)
                options.out.write_text(json.dumps(record, indent=1) + "\n")
                print(name, seed, operator, own[operator][str(seed)], flush=True)


class Training:
    """A network with its optimizer and batches; a `fork` of it goes on alike."""

    def __init__(self, study: Study, data: DataSet, seed: int) -> None:
        torch.manual_seed(seed)
        self.study, self.data, self.task, self.seed = study, data, data.task, seed
        self.model = build_network(dict(study.network), data.input_shape, data.outputs)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), study.lr, betas=(0.9, 0.95), weight_decay=0.1)
        self.batches = Batches(data.train, study.batch, data, seed=seed)
        self.example = data.example()
        split = data.validation or data.test
        kept = type(split)(split.inputs[: study.validation], split.targets[: study.validation])
        self.held_out = list(evaluation_batches(kept, data, "cpu", 256))

    def fork(self) -> Training:
        """Another one that stands where this one does."""
        other = Training(self.study, self.data, self.seed)
        other.model.load_state_dict(self.model.state_dict())
        other.optimizer.load_state_dict(copy.deepcopy(self.optimizer.state_dict()))
        other.batches.load_state_dict(self.batches.state_dict())
        return other

    def objective(self, model: nn.Module, batch: Batch) -> Tensor:
        return self.task.criterion(model(batch[0]), batch[1])

    def stream(self) -> Iterator[Batch]:
        while True:
            yield from self.batches

    def train(self, steps: int) -> None:
        for _, batch in zip(range(steps), self.stream(), strict=False):
            self.step(batch)

    def step(self, batch: Batch) -> None:
        self.model.train()
        self.objective(self.model, batch).backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def loss(self) -> float:
        """On held-out samples."""
        self.model.eval()
        with torch.no_grad():
            found = [(float(self.objective(self.model, batch)), len(batch[0])) for batch in self.held_out]
        return sum(loss * count for loss, count in found) / sum(count for _, count in found)

    def grow(self, operator: Operator) -> Grower:
        batches = [batch for _, batch in zip(range(6), self.stream(), strict=False)]
        grower = Grower(
            self.model,
            self.optimizer,
            batches[0][0][:4],
            objective=self.objective,
            batches=batches,
            when={"schedule": {"steps": [1]}},
            how=operator.how,
            budget=operator.budget,
            amount=operator.amount,
            sites=operator.sites,
            report=None,
        )
        self.model.train()
        event = grower.step()
        if event is None or event.refused or event.left_out:
            raise SystemExit(f"{operator}: {event}")
        return grower


def flops_of_step(study: Study, data: DataSet, start: Training) -> int:
    reference = start.fork()
    reference.grow(study.operators[study.reference])
    return study.batch * training_flops_per_sample(reference.model, data.example())


def grown(study: Study, start: Training, operator: str, limit: int) -> dict[str, Any]:
    """Grow a copy and train it until `limit` FLOPs are spent, those of the event first; the last half cools down."""
    started = time.perf_counter()
    training = start.fork()
    before = training.loss()
    grower = training.grow(study.operators[operator])
    per_step = study.batch * training_flops_per_sample(training.model, training.example)
    steps = max(max(study.lags) + 1, round((limit - grower.flops) / per_step))
    lags = {0: training.loss()}
    for step, batch in zip(range(1, steps + 1), training.stream(), strict=False):
        for group in training.optimizer.param_groups:
            group["lr"] = study.lr * min(1.0, 2 * (1 - (step - 1) / steps))
        training.step(batch)
        if step in study.lags:
            lags[step] = training.loss()
    return {
        "before": before,
        "lags": lags,
        "final": training.loss(),
        "steps": steps,
        "parameters": sum(p.numel() for p in training.model.parameters()),
        "growth_flops": grower.flops,
        "flops": grower.flops + steps * per_step,
        "seconds": round(time.perf_counter() - started, 2),
    }


if __name__ == "__main__":
    main()
