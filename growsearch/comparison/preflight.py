"""Before anything runs: see that every policy can, and estimate what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from fnmatch import fnmatchcase

from growsearch.comparison.control_job import ControlJob
from growsearch.comparison.job import Job
from growsearch.config import RunConfig
from growsearch.data import DataSet
from growsearch.errors import GrowthFailed, InputError
from growsearch.growth import grow
from growsearch.growth.statistics.collect import require_gradient_matrix
from growsearch.training import require_retrainable
from growsearch.training.compute import training_flops_per_sample
from growsearch.training.setup import Setup, set_up

_TRIAL_SAMPLES = 8


def checked_and_ordered(jobs: Sequence[Job]) -> list[Job]:
    """The jobs, the most expensive first, so that no worker is left alone with a long one at the end.

    Every policy is set up once, on the CPU, and grown by one unit at each site where it grows. Raises `InputError`,
    naming the policy where there are several, where that is not possible. A control, which trains what another run
    makes known, costs as much as that run, and its network has to be one that can be initialised anew.
    """
    costs: dict[str, float] = {}
    for job in jobs:
        if job.policy in costs:
            continue
        try:
            setup = set_up((job.after or job).config, job.seed, "cpu")
            costs[job.policy] = _cost(setup)
            if not isinstance(job, ControlJob):
                _try_growth(setup)
            elif job.retrains:
                require_retrainable(job.config, setup.data.input_shape, setup.data.outputs)
        except InputError as error:
            several = len({other.policy for other in jobs}) > 1
            raise type(error)(f"policy {job.policy}: {error}" if several else str(error)) from error
    return sorted((replace(job, cost=costs[job.policy]) for job in jobs), key=lambda job: (-job.cost, job.seed))


def try_policy(name: str | None, config: RunConfig, data: DataSet) -> None:
    """Set a policy up on `data` and grow it by a unit at each site; `InputError` has its name, where it is given."""
    try:
        _try_growth(set_up(config, 0, "cpu", data=data))
    except InputError as error:
        raise type(error)(f"policy {name}: {error}" if name else str(error)) from error


def _cost(setup: Setup) -> float:
    """Training FLOPs of a run, roughly: a network that grows k-fold in width costs k times its seed on the way."""
    samples = setup.total_steps * len(setup.data.train) / setup.steps_per_epoch
    growth = setup.config.grown_width() or 1.0 if setup.grower is not None else 1.0
    return training_flops_per_sample(setup.model, setup.data.input_shape) * samples * growth


def _try_growth(setup: Setup) -> None:
    """Grow this throw-away network, so that an initializer that does not fit it is known now and not hours later."""
    if setup.grower is None:
        return
    graph, criterion, patterns = setup.grower.graph, setup.criterion, setup.config.growth.sites or ("*",)
    deep = setup.grower.policy.how.grows == "depth"
    every = list(graph.depth_sites) if deep else [name for name, site in graph.sites.items() if site.kind == "exact"]
    named = [name for name in every if any(fnmatchcase(name, pattern) for pattern in patterns)]
    places = named[:1] if deep else named
    if "gradient_matrix" in setup.grower.policy.where.needs and not deep:
        for name in places:
            require_gradient_matrix(setup.model, graph, graph.sites[name])
    with suppress(GrowthFailed):  # a growth that fails its checks on a few samples is the run's own affair
        grow(
            setup.model,
            setup.statistics.first(2)[0],
            dict.fromkeys(places, 1),
            setup.grower.policy.how,
            objective=lambda model, batch: criterion(model(batch[0]), batch[1]),
            batches=[setup.statistics.first(_TRIAL_SAMPLES)],
            report=None,
        )
