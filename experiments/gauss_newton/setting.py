"""What the two measurements share: the trained network, the images, and the loss change of single candidates."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from growsearch import trace
from growsearch.comparison import compare
from growsearch.config import load_config
from growsearch.data import DataSet, Split, evaluation_batches
from growsearch.data.load import load_data
from growsearch.execution.environment import describe_environment
from growsearch.growth import Candidate
from growsearch.growth.expanded_model import ExpandedModel
from growsearch.training import load_network
from growsearch_strategies.gauss_newton.site_problems import site_problems
from growsearch_strategies.gauss_newton.surrogate_problem import SurrogateProblem

HERE = Path(__file__).parent
BATCH = 125


def objective(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    return F.cross_entropy(model(batch[0]), batch[1])


class Setting:
    """The network with its images: `learn` to find directions, `train` to predict and measure, `held` (test images)."""

    def __init__(self, network: Path, data: str, images: int, learn: int) -> None:
        if not (network / "run" / "seed-0" / "model.safetensors").is_file():
            space = load_config(HERE / "vgg19.yaml", [f"data.root={data}"])
            compare(space, network)
        self.model = load_network(network / "run" / "seed-0")
        found: DataSet = load_data({"name": "image_folder", "root": data, "validation": 5000}, 0)
        order = torch.randperm(len(found.train), generator=torch.Generator().manual_seed(0))
        self.learn = self._batches(found, found.train, order[: learn * 128], 128)
        self.train = self._batches(found, found.train, order[learn * 128 : learn * 128 + images], BATCH)
        self.held = self._batches(found, found.test, torch.arange(len(found.test))[:images], BATCH)
        self.graph = trace(self.model, self.train[0][0][:2])
        sites = [site for site in self.graph.sites.values() if site.kind == "exact"]
        problems = site_problems(self.model, self.graph, sites, {s.name: range(s.units) for s in sites})
        self.surrogate = SurrogateProblem(self.model, objective, problems, "classes")
        self.generator = torch.Generator().manual_seed(0)

    @staticmethod
    def _batches(data: DataSet, split: Split, chosen: Tensor, size: int) -> list[tuple[Tensor, Tensor]]:
        picked = Split(split.inputs[chosen], split.targets[chosen])
        return list(evaluation_batches(picked, data, torch.device("cpu"), size))

    def changes(
        self, site: str, candidates: Sequence[Candidate], batches: Sequence[tuple[Tensor, Tensor]]
    ) -> list[float]:
        """Measured changes of the mean loss in evaluation mode: everything in front of the site runs once."""
        start = int(site.rpartition(".")[2])
        with torch.no_grad():
            inputs = [(self.model.features[:start](x), y) for x, y in batches]  # type: ignore[index]
            before = _tail_loss(self.model, start, inputs)
            grown = (ExpandedModel(self.model, self.graph, [c]).model for c in candidates)
            return [_tail_loss(model, start, inputs) - before for model in grown]


def _tail_loss(model: nn.Module, start: int, batches: Sequence[tuple[Tensor, Tensor]]) -> float:
    model.eval()
    total = torch.zeros((), dtype=torch.float64)
    for x, y in batches:
        scores = model.classifier(model.flatten(model.features[start:](x)))  # type: ignore[index,operator]
        total += F.cross_entropy(scores.double(), y, reduction="sum")
    return float(total) / sum(len(y) for _, y in batches)


def write(path: Path, section: str, record: dict[str, Any]) -> None:
    """Put one section into the results file, with where it was measured."""
    path.parent.mkdir(parents=True, exist_ok=True)
    found = json.loads(path.read_text()) if path.exists() else {}
    environment = describe_environment("cpu", 1, torch.get_num_threads(), 1)
    del environment["command"]
    found[section] = {"environment": environment, **record}
    path.write_text(json.dumps(found, indent=1) + "\n")


def read(path: Path, section: str) -> dict[str, Any]:
    return dict(json.loads(path.read_text()).get(section, {})) if path.exists() else {}
