"""What growth will come to in a run, before it runs: which events fire, and which size the network reaches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from growsearch.config import RunConfig
from growsearch.data import DataSet
from growsearch.errors import GrowthFailed
from growsearch.growth import Grower, Removal, Rewiring
from growsearch.growth.firing import Firing, firing
from growsearch.registry import lookup
from growsearch.training.compute import training_flops_per_sample
from growsearch.training.length import steps_within
from growsearch.training.setup import Setup, set_up

_MOST_EVENTS = 24  # that are tried out where each of them counts
_LISTED = 3
_EVEN = "uniform"


@dataclass(frozen=True)
class Forecast:
    """What is known of a policy's growth before it runs.

    `parameters` and `flops` (forward, one sample) are those of the network at the end of the training, None where they
    depend on the run; `full` tells whether the budget is used up by then. `about` marks sizes that are those of even
    growth, where the policy's own selector decides otherwise.
    """

    firing: Firing
    parameters: int | None = None
    flops: int | None = None
    full: bool | None = None
    about: bool = False

    @property
    def never_fires(self) -> bool:
        """Whether the policy cannot grow in a run of this length."""
        return self.firing.most == 0

    def events_words(self) -> str:
        """`1 of 8, at step 100 of 120`."""
        found = self.firing
        if found.events is None:
            most = f"at most {found.most:,}" if found.most else "none possible"
            return f"depends on the run ({most} in {found.steps:,} steps)"
        of = "" if found.wanted is None else f" of {found.wanted:,}"
        if not found.events:
            return f"none{of} in {found.steps:,} steps"
        shown = [f"{step:,}" for step in found.events]
        if len(shown) > _LISTED:
            shown = [*shown[: _LISTED - 1], "…", shown[-1]]
        return f"{len(found.events):,}{of}, at step {', '.join(shown)} of {found.steps:,}"

    def size_words(self) -> str:
        """Parameters at the end, as far as they are known."""
        if self.parameters is None:
            return "depends on the run"
        short = "" if self.full is not False else ", below the budget"
        return f"{'about ' if self.about else ''}{self.parameters:,}{short}"


def _forecast(config: RunConfig, data: DataSet | None) -> Forecast:
    """What growth in events will come to.

    The policy's scheduler is asked at every step, and a throw-away network grown at those where it fires, with new
    units of zeros: by the policy's own selector where it needs no gradients, otherwise evenly. Raises `InputError` as
    `set_up` does.
    """
    setup = set_up(config, 0, "cpu", data=data)
    assert setup.grower is not None
    found = firing(setup.grower.policy.when, setup.total_steps, setup.steps_per_epoch, setup.rows_every)
    if not found.most:
        graph = setup.grower.graph
        return Forecast(found, graph.parameters, graph.flops, setup.grower.full)
    if found.events is None or Removal in setup.grower.policy.where.takes:
        return Forecast(found)
    if setup.flops_limit is not None:
        return _by_flops(setup, found, setup.flops_limit)
    return _sizes(setup, found, found.events)


def _sizes(setup: Setup, found: Firing, events: tuple[int, ...]) -> Forecast:
    grower, stands_in = _blank_grower(setup)
    growth = setup.config.growth
    limits = next(iter((growth.budget or {}).values()), None)
    evenly = growth.amount is None and limits is not None and not isinstance(limits, list | tuple)
    if evenly and not _deep(grower) and (stands_in or _EVEN in growth.where):
        events = events[-1:]  # the budget is spread over the events, and the last of them takes what is left
    if len(events) > _MOST_EVENTS:
        return Forecast(found)
    try:
        for step in events:
            grower.progress.step = step - 1
            grower.step()
    except GrowthFailed:
        return Forecast(found)
    graph = grower.graph
    full = grower.full if growth.budget and not (_deep(grower) and "width" in growth.budget) else None
    return Forecast(found, graph.parameters, graph.flops, full, about=stands_in and not full)


def _by_flops(setup: Setup, seed_sized: Firing, limit: float) -> Forecast:
    """The same where the run ends by its training FLOPs: after every event fewer steps are left."""
    grower, stands_in = _blank_grower(setup)
    samples, size = len(setup.data.train), setup.config.training.batch_size
    left, last, events, total = limit, 0, list[int](), setup.total_steps
    cost = training_flops_per_sample(setup.model, setup.data.example())
    while len(events) < _MOST_EVENTS:
        coming = firing(grower.policy.when, total, setup.steps_per_epoch, setup.rows_every).events or ()
        step = next((one for one in coming if one > last), None)
        if step is None:
            break
        left -= (step - last) * cost * samples / setup.steps_per_epoch
        grower.progress.step = step - 1
        try:
            grower.step()
        except GrowthFailed:
            return Forecast(seed_sized)
        events.append(step)
        last, cost = step, training_flops_per_sample(setup.model, setup.data.example())
        total = step + steps_within(left, cost, samples, size, step % setup.steps_per_epoch * (size or samples))
        grower.progress.total_steps = total
    found = Firing(total, tuple(events), len(events), seed_sized.wanted)
    return Forecast(found, grower.graph.parameters, grower.graph.flops, grower.full, about=stands_in)


def _deep(grower: Grower) -> bool:
    return grower.policy.how.deepens()


def _blank_grower(setup: Setup) -> tuple[Grower, bool]:
    """A grower of the setup's network that needs no data, and whether it grows evenly in place of the selector."""
    assert setup.grower is not None
    growth, policy, width = setup.config.growth, setup.grower.policy, setup.config.grown_width()
    own = not policy.where.needs and not policy.where.layers_beside_units and Rewiring not in policy.where.takes
    grower = Grower(
        setup.model,
        None,
        setup.statistics.first(2)[0],
        when=policy.when,
        where=policy.where if own else _EVEN,
        how=policy.how if _deep(setup.grower) else "zero",
        budget=growth.budget if width is None else {"width": width},
        amount=growth.amount,
        round_to=growth.round_to,
        limits=growth.limits,
        sites=growth.sites,
        seed=setup.seed,
        total_steps=setup.total_steps,
        steps_per_epoch=setup.steps_per_epoch,
    )
    return grower, not own


def forecasts(policies: Mapping[str, RunConfig], data: DataSet | None = None) -> dict[str, Forecast]:
    """The forecast of every policy that grows in events; those that differ in nothing that it looks at share one."""
    found: dict[str, Forecast] = {}
    known: dict[str, Forecast] = {}
    for name, config in policies.items():
        if not config.growth.grows:
            continue
        key = _looked_at(config)
        known[key] = known.get(key) or _forecast(config, data)
        found[name] = known[key]
    return found


def _looked_at(config: RunConfig) -> str:
    """Equal where forecasts are: how new units start makes no difference to a network that only widens."""
    [how] = config.growth.how
    deep = getattr(lookup("how", how), "grows", "width") == "depth"
    growth = config.growth.model_copy(update={"how": config.growth.how if deep else {}})
    parts = [config.data, config.network, config.training, growth]
    return repr(parts)


def forecast_warnings(forecasts: Mapping[str, Forecast]) -> list[str]:
    """What would mislead: policies that cannot grow, that miss events, or that do not reach their budget."""
    still = {name: one for name, one in forecasts.items() if one.never_fires}
    found = []
    if still:
        one = next(iter(still.values()))
        of = "" if one.firing.wanted is None else f" of {one.firing.wanted:,}"
        found.append(
            f"{', '.join(still)} will not grow: no event{of} can fall within the run's {one.firing.steps:,} optimizer "
            "steps, so beside a fixed network of the seed's size nothing is compared: train longer, or set an earlier "
            "growth.when"
        )
    named: dict[str, list[str]] = {}
    for name, each in forecasts.items():
        for words in _shortfalls(each):
            named.setdefault(words, []).append(name)
    return found + [f"{', '.join(names)}: {words}" for words, names in named.items()]


def _shortfalls(one: Forecast) -> list[str]:
    fired, wanted = one.firing.events, one.firing.wanted
    found = []
    if fired and wanted is not None and len(fired) < wanted:
        found.append(
            f"only {len(fired):,} of {wanted:,} events can take place, the last at step {fired[-1]:,} of "
            f"{one.firing.steps:,}: train longer, or set an earlier growth.when"
        )
    if fired and one.full is False:
        found.append(
            f"ends with {'about ' if one.about else ''}{one.parameters:,} parameters, below its budget: more events, "
            "or a larger growth.amount, would reach it"
        )
    return found
