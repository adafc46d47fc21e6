"""Networks, data and contexts that the tests of Gauss-Newton morphisms share."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from growsearch import trace
from growsearch.growth import ADDING, Allowance, Candidate, GrowthContext, Removal
from growsearch.growth.allowance import UNLIMITED
from growsearch.growth.expanded_model import ExpandedModel
from growsearch_strategies.gauss_newton.evaluation import eval_no_dropout
from growsearch_strategies.gauss_newton.site_problems import site_problems
from growsearch_strategies.gauss_newton.surrogate_problem import SurrogateProblem
from growsearch_strategies.how.gauss_newton import GaussNewton

Batch = tuple[Tensor, Tensor]


Objective = Callable[[nn.Module, Batch], Tensor]


def classes(model: nn.Module, batch: Batch) -> Tensor:
    return F.cross_entropy(model(batch[0]), batch[1])


def mlp(act: Callable[[], nn.Module] = nn.Tanh, hidden: int = 6) -> nn.Sequential:
    layers = OrderedDict(first=nn.Linear(5, hidden), act1=act(), second=nn.Linear(hidden, 7), act2=act())
    return nn.Sequential(OrderedDict(**layers, head=nn.Linear(7, 3))).double()


def cnn(act: Callable[[], nn.Module] = nn.ReLU) -> nn.Sequential:
    """Normalisation, pooling and a flatten between producers and consumers."""
    model = nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(2, 4, 3, padding=1, bias=False),
            norm1=nn.BatchNorm2d(4),
            act1=act(),
            pool=nn.MaxPool2d(2),
            conv2=nn.Conv2d(4, 5, 3, padding=1, bias=False),
            norm2=nn.BatchNorm2d(5),
            act2=act(),
            flatten=nn.Flatten(),
            head=nn.Linear(45, 3),
        )
    ).double()
    with torch.no_grad():
        for norm in (model.get_submodule("norm1"), model.get_submodule("norm2")):
            for tensor in (norm.weight, norm.running_var):
                assert isinstance(tensor, Tensor)
                tensor.uniform_(0.5, 1.5)
            for tensor in (norm.bias, norm.running_mean):
                assert isinstance(tensor, Tensor)
                tensor.normal_(0, 0.2)
    return model


def data(model: nn.Module, size: int = 32, seed: int = 0, regression: bool = False) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    shape = (size, 2, 6, 6) if isinstance(model[0], nn.Conv2d) else (size, 5)  # type: ignore[index]
    x = torch.randn(shape, generator=generator, dtype=torch.float64)
    if regression:
        return x, torch.randn(size, 3, generator=generator, dtype=torch.float64)
    return x, torch.randint(0, 3, (size,), generator=generator)


def context_of(
    model: nn.Module, batches: Sequence[Batch], objective: Objective = classes, **allowance: Any
) -> GrowthContext:
    graph = trace(model, batches[0][0][:2])
    caps = dict.fromkeys(graph.sites, UNLIMITED)
    return GrowthContext(
        model=model,
        graph=graph,
        sites=graph.sites,
        depth_sites={},
        allowance=Allowance(**{"requests": dict.fromkeys(caps, 2), "caps": caps, "units": 4, **allowance}),
        generator=torch.Generator().manual_seed(0),
        state={},
        objective=objective,
        batches=batches,
        takes=ADDING | {Removal},
    )


def loss(context: GrowthContext, candidates: Sequence[Candidate], batch: Batch | None = None) -> float:
    """In evaluation mode, with some candidates installed."""
    assert context.objective is not None
    model = ExpandedModel(context.model, context.graph, candidates).model if candidates else context.model
    with eval_no_dropout(model), torch.no_grad():
        return float(context.objective(model, batch or context.batches[0]))


def proposed(context: GrowthContext, **fields: Any) -> list[Candidate]:
    how = GaussNewton(**{"steps": 5, "data": 4, **fields})
    return how.propose({name: site.units for name, site in context.sites.items()}, context)


def own_labels(model: nn.Sequential) -> list[Batch]:
    """Labels drawn from a sharpened network: whatever changes its function raises the loss."""
    with torch.no_grad():
        model.head.weight.mul_(4), model.head.bias.mul_(4)  # type: ignore[union-attr,operator]
        inputs = [data(model, 256, seed)[0] for seed in range(4)]
        return [(x, torch.distributions.Categorical(logits=model(x)).sample()) for x in inputs]


def surrogate_of(context: GrowthContext) -> SurrogateProblem:
    eligible = {name: context.eligible(name) for name in context.sites}
    problems = site_problems(context.model, context.graph, context.sites.values(), eligible)
    assert context.objective is not None
    return SurrogateProblem(context.model, context.objective, problems, "auto")
