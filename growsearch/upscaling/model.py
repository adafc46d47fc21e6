"""A larger network from a trained one, in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import nn

from growsearch.errors import GrowthRefused
from growsearch.graph import NetworkGraph, trace
from growsearch.growth import GrowthEvent, Initializer, Report
from growsearch.growth.grow import grow_traced
from growsearch.growth.policy import Spec, strategy
from growsearch.upscaling.new_parameters import Old, after, all_old, count_new, described
from growsearch.upscaling.plan import Plan, plan_sizes
from growsearch.upscaling.wishes import Wish, Wishes


@dataclass(frozen=True)
class Upscaled:
    """`before` and `after` are the sizes by axis: `depth`, `residual`, `heads`, `mlp`.

    `events` are the growths in their order. `exact` tells whether they keep the function. `old` is the record of what
    was there before.
    """

    before: dict[str, int]
    after: dict[str, int]
    events: tuple[GrowthEvent, ...]
    exact: bool
    old: Old = field(repr=False)

    @property
    def new_parameters(self) -> dict[str, str | dict[str, list[list[int]]]]:
        """By name, "all" for a parameter that is new, or by axis the runs `[start, stop)` of its new positions."""
        return described(self.old)

    @property
    def new_elements(self) -> int:
        """How many numbers are new."""
        return count_new(self.old)


def upscale(
    model: nn.Module,
    example_inputs: Any,
    *,
    depth: Wish | None = None,
    heads: Wish | None = None,
    mlp: Wish | None = None,
    residual: Wish | None = None,
    round_to: int = 1,
    how: Spec = "zero",
    how_deep: Spec = "identity_blocks",
    seed: int = 0,
    report: Report | None = None,
) -> Upscaled:
    """Grow the blocks of a transformer, in place, to the sizes that are given.

    Whole numbers are sizes, others are multiples of what there is.
    `heads` and `mlp` are those of every block: heads of queries (with heads of keys and values in whole groups), and
    hidden features of the MLPs. New ones start with zero outgoing weights, and so do copies of blocks, spread evenly.
    New features of the residual stream are 0 behind every normalisation at first, which changes its weight and eps for
    that: the outputs stay as they are.

    Args:
        model: any module that `growsearch.trace` follows; blocks are numbered modules, as in `blocks.0`.
        example_inputs: a tensor, or a tuple of arguments, or a dict of them.
        depth: blocks.
        heads: heads of attention.
        mlp: hidden features of the MLPs.
        residual: features of the residual stream.
        round_to: `mlp` and `residual` become the nearest multiple of it.
        how: the initializer of heads, MLPs and the residual stream.
        how_deep: the initializer of blocks; with `stack` the outputs change.
        seed: of what is drawn.
        report: progress, as in `growsearch.grow`.

    Raises:
        GrowthRefused: a size that cannot be reached, or a network without such sites; nothing was changed.
        InputError: no size is given, or one is smaller than it is.
    """
    wishes = Wishes(depth, heads, mlp, residual, round_to)
    require_any(wishes)
    graph = trace(model, example_inputs)
    return upscale_planned(model, graph, example_inputs, plan_sizes(graph, wishes), how, how_deep, seed, report)


def require_any(wishes: Wishes) -> None:
    """Raise `GrowthRefused` unless something is wished for."""
    if not wishes.given:
        raise GrowthRefused("nothing to upscale: give at least one of depth, heads, mlp and residual")


def upscale_planned(
    model: nn.Module,
    graph: NetworkGraph,
    example_inputs: Any,
    plan: Plan,
    how: Spec = "zero",
    how_deep: Spec = "identity_blocks",
    seed: int = 0,
    report: Report | None = None,
) -> Upscaled:
    """Do to `model`, in place, what `plan` says: widths, then depth. See `upscale`.

    Args:
        model: that the plan was made for.
        graph: of the model.
        example_inputs: as for `upscale`.
        plan: what to add where.
        how: the initializer of heads, MLPs and the residual stream.
        how_deep: the initializer of blocks.
        seed: of what is drawn.
        report: progress, as in `growsearch.grow`.
    """
    if not plan.channels and not plan.blocks:
        raise GrowthRefused("nothing to upscale: the network has these sizes already")
    old, events, exact = all_old(model), [], True
    for units, given in ((plan.channels, how), (plan.blocks, how_deep)):
        if units:
            initializer = strategy(Initializer, "how", given)  # type: ignore[type-abstract]  # only used for isinstance
            event, graph = grow_traced(model, graph, example_inputs, units, initializer, seed=seed, report=report)
            old = after(old, event.edits)
            events.append(event)
            exact = exact and initializer.exact
    return Upscaled(dict(plan.before), dict(plan.after), tuple(events), exact, old)
