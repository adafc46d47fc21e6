"""A larger network from a trained one, in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import nn

from growsearch.errors import GrowthRefused
from growsearch.graph import trace
from growsearch.growth import GrowthEvent, Report, grow
from growsearch.growth.policy import Spec
from growsearch.upscaling.new_parameters import Old, after, all_old, count_new, described
from growsearch.upscaling.plan import Plan, plan_widths
from growsearch.upscaling.sizes import Wish, Wishes


@dataclass(frozen=True)
class Upscaled:
    """`before` and `after` are the sizes by axis (`heads`, `mlp`), `events` the growths in their order.

    `exact` tells whether they keep the function. `old` is the record of what was there before.
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
    how: Spec = "zero",
    seed: int = 0,
    report: Report | None = None,
) -> Upscaled:
    """Grow the blocks of a transformer, in place, to the sizes that are given.

    Whole numbers are sizes, others are multiples of what there is.
    `heads` and `mlp` are those of every block: heads of queries (with heads of keys and values in whole groups), and
    hidden features of the MLPs. New ones start with zero outgoing weights, so that the outputs stay as they are.

    Args:
        model: any module that `growsearch.trace` follows; blocks are numbered modules, as in `blocks.0`.
        example_inputs: a tensor, or a tuple of arguments, or a dict of them.
        depth: blocks.
        heads: heads of attention.
        mlp: hidden features of the MLPs.
        residual: features of the residual stream.
        how: the initializer of heads and MLPs.
        seed: of what is drawn.
        report: progress, as in `growsearch.grow`.

    Raises:
        GrowthRefused: a size that cannot be reached, or a network without such sites; nothing was changed.
        InputError: no size is given, or one is smaller than it is.
    """
    wishes = Wishes(depth, heads, mlp, residual)
    require_possible(wishes)
    graph = trace(model, example_inputs)
    return upscale_planned(model, example_inputs, plan_widths(graph, wishes), how, seed, report)


def require_possible(wishes: Wishes) -> None:
    """Raise `GrowthRefused` unless something is wished for, and all of it can be had."""
    if not wishes.given:
        raise GrowthRefused("nothing to upscale: give at least one of depth, heads, mlp and residual")
    for axis in ("depth", "residual"):
        if axis in wishes.given:
            raise GrowthRefused(f"{axis}: not yet: heads and mlp can be upscaled today; leave {axis} out")


def upscale_planned(
    model: nn.Module, example_inputs: Any, plan: Plan, how: Spec = "zero", seed: int = 0, report: Report | None = None
) -> Upscaled:
    """Do to `model`, in place, what `plan` says. See `upscale`.

    Args:
        model: that the plan was made for.
        example_inputs: as for `upscale`.
        plan: what to add where.
        how: the initializer of heads and MLPs.
        seed: of what is drawn.
        report: progress, as in `growsearch.grow`.
    """
    if not plan.channels:
        raise GrowthRefused("nothing to upscale: the network has these sizes already")
    old = all_old(model)
    event = grow(model, example_inputs, plan.channels, how, seed=seed, report=report)
    return Upscaled(dict(plan.before), dict(plan.after), (event,), True, after(old, event.edits))
