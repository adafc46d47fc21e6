"""Statistics are found once for all who ask, in one sweep over the batches."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from growsearch import GrowthRefused, trace
from growsearch.growth.statistics.bridging import BridgingGradient
from growsearch.growth.statistics.depth_strength import DepthStrength
from growsearch.growth.statistics.sweep import Statistics
from growsearch.growth.statistics.triplets import GradientTriplets, gradient_triplets
from growsearch_strategies.how.nest import NeST as HowNeST
from growsearch_strategies.where.nest import NeST as WhereNeST
from tests.growth.tasks import batch_for, grower_for, objective


def mlp() -> nn.Sequential:
    torch.manual_seed(0)
    layers = OrderedDict(first=nn.Linear(4, 5), act1=nn.ReLU(), second=nn.Linear(5, 6), act2=nn.ReLU())
    return nn.Sequential(OrderedDict(**layers, head=nn.Linear(6, 3)))


def statistics_of(model: nn.Module, batches: list[Any]) -> tuple[Statistics, list[Any]]:
    """The service, and the batches on which it has run the network."""
    ran: list[Any] = []

    def counted(network: nn.Module, batch: Any) -> Tensor:
        ran.append(batch)
        return objective(network, batch)

    graph = trace(model, batches[0][0])
    return Statistics(model, graph, counted, batches, torch.Generator().manual_seed(0)), ran


def test_requests_of_all_kinds_are_answered_in_one_sweep() -> None:
    model = mlp()
    batches = [batch_for(model, seed=seed) for seed in range(3)]
    statistics, ran = statistics_of(model, batches)
    graph = trace(model, batches[0][0])
    place = next(iter(graph.depth_sites))
    requests = (
        GradientTriplets("first", 2),
        GradientTriplets("second", 1),
        BridgingGradient("first"),
        DepthStrength(place, graph.depth_sites[place]),
    )

    statistics.collect(requests)

    found = [statistics.get(request) for request in requests]
    assert len(ran) == statistics.passes == 3 and all(one is not None for one in found)
    alone = gradient_triplets(model, graph, {"first": 2}, objective, batches, torch.Generator().manual_seed(0))
    torch.testing.assert_close(statistics.get(requests[0])[0].values, alone["first"][0].values)


def test_an_answer_is_kept_and_serves_smaller_requests() -> None:
    model = mlp()
    statistics, ran = statistics_of(model, [batch_for(model)])

    first = statistics.get(GradientTriplets("first", 3))

    assert statistics.get(GradientTriplets("first", 2)) is first and len(ran) == 1
    assert len(statistics.get(GradientTriplets("first", 4))[0].values) == 4 and len(ran) == 2


def test_a_refusal_is_told_to_those_who_ask_for_it_alone() -> None:
    model = nn.Sequential(OrderedDict(first=nn.Linear(4, 5), act=nn.ReLU(), head=nn.Linear(5, 3), last=nn.Linear(3, 3)))
    statistics, _ = statistics_of(model, [batch_for(model)])

    def cut_off(network: nn.Module, batch: Any) -> Tensor:
        return network.get_submodule("first")(batch[0]).square().mean()

    partial = Statistics(model, trace(model, batch_for(model)[0]), cut_off, [batch_for(model)], torch.Generator())

    with pytest.raises(GrowthRefused, match="does not run"):
        partial.get(BridgingGradient("first"))
    assert statistics.get(BridgingGradient("first")).shape == (3, 4)


def test_where_nest_runs_no_pass_for_what_how_nest_has_computed() -> None:
    model = mlp()
    grower = grower_for(model, how="nest", where="nest", statistics_batches=2)
    context = grower.context()
    plan = WhereNeST().plan(context)
    proposed = HowNeST().propose(plan, context)
    passes = context.statistics.passes

    chosen = WhereNeST().select(proposed, context)

    assert chosen and passes == len(context.batches) and context.statistics.passes == passes
