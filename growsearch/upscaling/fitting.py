"""What is wished for, as far as the configuration of an architecture can say it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from growsearch.errors import GrowthRefused, InputError
from growsearch.graph import NetworkGraph
from growsearch.upscaling.checkpoint import Checkpoint
from growsearch.upscaling.config_sizes import configured
from growsearch.upscaling.plan import Plan, plan_sizes
from growsearch.upscaling.roles import roles_of
from growsearch.upscaling.wishes import Wishes


def fitted(checkpoint: Checkpoint, model: nn.Module, graph: NetworkGraph, wishes: Wishes) -> tuple[Plan, Any]:
    """Return the plan of `wishes` for `model`, and the configuration of the network that it leads to.

    Where a configuration has no size of a head, the residual width is heads times their size: heads follow it then,
    unless they are wished for.

    Args:
        checkpoint: of the model.
        model: as it is.
        graph: of the model.
        wishes: sizes, or multiples.

    Raises:
        GrowthRefused: the sizes cannot be reached; the message names the nearest that can.
        InputError: a size that is smaller than it is, or no whole number.
    """
    fitting = _Fitting(checkpoint, model, graph, _head_size(graph, checkpoint.config))
    try:
        return fitting.as_wished(wishes)
    except GrowthRefused as refused:
        plan = plan_sizes(graph, wishes)
        followed = fitting.with_heads(wishes, plan.after.get("residual", 0))
        if followed is not None:
            return followed
        raise GrowthRefused(f"{refused}{fitting.advice(wishes, plan)}") from refused


@dataclass(frozen=True)
class _Fitting:
    """What `fitted` is given, and the features of a head, where there are heads."""

    checkpoint: Checkpoint
    model: nn.Module
    graph: NetworkGraph
    head_size: int | None

    def as_wished(self, wishes: Wishes) -> tuple[Plan, Any]:
        plan = plan_sizes(self.graph, wishes)
        return plan, configured(self.checkpoint, plan, self.head_size, plan.shapes(self.model))

    def with_heads(self, wishes: Wishes, width: int) -> tuple[Plan, Any] | None:
        """With as many heads as the residual width holds; None where they are wished for, or that cannot be."""
        size = self.head_size
        if wishes.residual is None or wishes.heads is not None or size is None or width % size:
            return None
        return self._found(replace(wishes, heads=width // size))

    def advice(self, wishes: Wishes, plan: Plan) -> str:
        """The end of a message: the nearest residual widths, below and above, that can be reached."""
        heads, width = plan.after.get("heads", 0), plan.after.get("residual", 0)
        held = heads * (self.head_size or 0)
        if wishes.residual is None:
            known = held > width and self._reaches(wishes, held)
            return f". With residual {held} these sizes can be reached" if known else ""
        near = {held}
        for each in filter(None, (self.head_size, heads)):
            step = math.lcm(each, wishes.round_to)
            near |= {width - (width % step or step), width - width % step + step}
        near = {each for each in near if each % wishes.round_to == 0}
        below = (each for each in sorted(near, reverse=True) if plan.before["residual"] < each < width)
        above = (each for each in sorted(near) if each > width)
        found = [next((each for each in side if self._reaches(wishes, each)), None) for side in (below, above)]
        reached = " or ".join(str(each) for each in found if each is not None)
        return f". The nearest residual widths that can be reached: {reached}" if reached else ""

    def _reaches(self, wishes: Wishes, residual: int) -> bool:
        other = replace(wishes, residual=residual)
        return self._found(other) is not None or self.with_heads(other, residual) is not None

    def _found(self, wishes: Wishes) -> tuple[Plan, Any] | None:
        try:
            return self.as_wished(wishes)
        except InputError:
            return None


def _head_size(graph: NetworkGraph, config: Any) -> int | None:
    """Features of a head, from what attention computes over them, or else the usual ones of a configuration."""
    sizes = {
        shape[-1]
        for measured in roles_of(graph).heads.values()
        for call in measured.site.path
        if graph.calls[call].rule == "attention" and (shape := graph.calls[call].shape) is not None
    }
    if len(sizes) == 1:
        return sizes.pop()
    heads = getattr(config, "num_attention_heads", None)
    return config.hidden_size // heads if isinstance(heads, int) and hasattr(config, "hidden_size") else None
