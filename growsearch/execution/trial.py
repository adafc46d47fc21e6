"""A policy tried before anything runs: set up on the CPU, grown by a unit everywhere, and what it will cost."""

from __future__ import annotations

import math
from contextlib import suppress
from fnmatch import fnmatchcase

from growsearch.errors import GrowthFailed
from growsearch.graph import NetworkGraph
from growsearch.growth.budget import Budget
from growsearch.growth.grow import grow_traced
from growsearch.training.compute import training_flops_per_sample
from growsearch.training.setup import Setup

_TRIAL_SAMPLES = 8


def estimated_flops(setup: Setup) -> float:
    """Training FLOPs of a run, roughly: a network that grows k-fold in size costs the root of k times its seed."""
    samples = setup.total_steps * len(setup.data.train) / setup.steps_per_epoch
    growth = math.sqrt(_grown_size(setup, setup.grower.graph)) if setup.grower is not None else 1.0
    return training_flops_per_sample(setup.model, setup.data.example()) * samples * growth


def _grown_size(setup: Setup, seed: NetworkGraph) -> float:
    """The size that a budget allows at the end, as a multiple of the seed network's; 1 where it is in other units."""
    budget = Budget.of(setup.config.growth.budget)
    if budget is not None and budget.measure in ("parameters", "flops"):
        return max(1.0, max(budget.limits) / (seed.parameters if budget.measure == "parameters" else seed.flops))
    return (setup.config.grown_width() or 1.0) ** 2


def try_growth(setup: Setup) -> None:
    """Grow this throw-away network, so that an initializer that does not fit it is known now and not hours later."""
    if setup.grower is None:
        return
    graph, criterion, patterns = setup.grower.graph, setup.criterion, setup.config.growth.sites or ("*",)
    how = setup.grower.policy.how
    deep = how.deepens()
    places = graph.block_sites if how.stacks() else graph.depth_sites
    named = [name for name in places if any(fnmatchcase(name, pattern) for pattern in patterns)]
    wide = [n for n, site in graph.sites.items() if site.kind == "exact" and site.takes_part(patterns)]
    chosen = named[:1] if deep else wide
    with suppress(GrowthFailed):  # a growth that fails its checks on a few samples is the run's own affair
        grow_traced(
            setup.model,
            graph,
            setup.statistics.first(2)[0],
            dict.fromkeys(chosen, 1),
            how,
            objective=lambda model, batch: criterion(model(batch[0]), batch[1]),
            batches=[setup.statistics.first(_TRIAL_SAMPLES)],
            report=None,
            metered=False,
        )
