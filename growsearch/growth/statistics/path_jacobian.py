"""How a small activation at a site's producers reaches its consumers: the derivative of the path at zero.

A unit that starts with zero incoming weights has activation 0 everywhere. What the loss gradient sees of it is the
linear map from the producers' outputs to the consumers' inputs at that point: activations contribute their slope at 0+,
max pooling the position that wins a tie, residual additions and concatenations pass it on. Batch normalisation by the
batch's own statistics takes the mean over samples and positions away and divides by sqrt(eps): the variance of a
channel at 0 is of second order. By running statistics it divides by sqrt(1 + eps): new channels start with variance 1.
A trained scale is what it starts with in a new unit.

The map is given in units of its largest factor 1 / sqrt(eps), about 316: the values of sites with and without
normalisation can be compared, and what passes beside a normalisation counts as little as it does in the gradient.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from growsearch.errors import GrowthRefused
from growsearch.graph import Call, NetworkGraph, PathStep, Site, operation
from growsearch.graph.batch_statistics import slope_at_zero
from growsearch.graph.replay import references, replay
from growsearch.growth.statistics.constants import Constants

STEP = 1e-9


class PathJacobian:
    """The path of one site, applied to virtual channels in place of the site's own.

    `slopes` are the activations' slopes at 0+. `normalised` tells whether batch normalisation is on the way, `kinked`
    whether some activation has another derivative at 0 than just above it (ReLU: units exactly at 0 get no gradient).
    """

    def __init__(self, graph: NetworkGraph, model: nn.Module, site: Site) -> None:
        self.graph, self.model, self.site = graph, model, site
        self._constants = Constants(graph, model, site)
        self.calls = [graph.calls[name] for name in site.path if self._constants.value(name) is None]
        self.normalised = any(c.rule == "batch_norm" for c in self.calls)

    @cached_property
    def slopes(self) -> dict[str, float]:
        """Slope at 0+ of every activation on the way; `GrowthRefused` where one is not 0 at 0."""
        for name, shape in self._shapes.items():
            if shape.value != 0:
                raise GrowthRefused(
                    f"site {self.site.name!r}: activation {name!r} is {shape.value:.3g} at 0, so units with zero "
                    "incoming weights would change the network; use side: outgoing (how: zero, random or "
                    "gradmax_opt), or how: split"
                )
        return {name: shape.above for name, shape in self._shapes.items()}

    @cached_property
    def kinked(self) -> bool:
        """Whether an activation on the way has another derivative at 0 than at 0+."""
        return any(abs(shape.at - shape.above) > 0.01 for shape in self._shapes.values())

    @cached_property
    def one_sided(self) -> bool:
        """Whether an activation on the way is flat below 0: units that stay there are dead."""
        return any(shape.below == 0 != shape.above for shape in self._shapes.values())

    @cached_property
    def _shapes(self) -> dict[str, _Shape]:
        return {
            c.name: _shape_at_zero(self.model, c)
            for c in self.calls
            if c.rule == "pointwise" or (c.rule == "elementwise" and len(references((c.args, c.kwargs))) == 1)
        }

    @cached_property
    def scalar(self) -> bool:
        """Whether the whole map is a number for each pair of producer and consumer."""
        return all(operation(c.rule).scalar and not self._broadcasts(c) and not self._varies(c) for c in self.calls)

    def _varies(self, call: Call) -> bool:
        """Whether it multiplies by a constant that is no single number."""
        found = [self._constants.value(name) for name in self.others(call)] if call.rule == "multiply" else []
        return any(value is None or value.numel() > 1 for value in found)

    def _broadcasts(self, call: Call) -> bool:
        carried = (self.graph.calls[name] for name in self.carried(call))
        return len({c.shape for c in carried if c.kind != "parameter"}) > 1

    def carried(self, call: Call) -> list[str]:
        """The calls that give `call` tensors with the site's units, parameters and what is made of them included."""
        sources = [r.call for r in references(call.args) + references(call.kwargs)]
        return [name for name in sources if self.graph.layout(name, self.site.name) is not None]

    def own(self, call: Call) -> list[str]:
        """The calls that give `call` the activations of the site's units."""
        return [name for name in self.carried(call) if self._constants.value(name) is None]

    def others(self, call: Call) -> list[str]:
        """The calls that give `call` any other tensor."""
        own = self.own(call)
        return [r.call for r in references(call.args) + references(call.kwargs) if r.call not in own]

    def constant(self, name: str) -> Tensor | None:
        """See `Constants.value`."""
        return self._constants.value(name)

    def factor(self, call: Call) -> Tensor | None:
        """What a multiplication multiplies activations of new units by; None where that is not a constant.

        Scales that are trained for each channel start at 1 in a new unit.
        """
        own, others = self.own(call), self.others(call)
        if len(own) != 1 or len(references(call.args) + references(call.kwargs)) != 2 or len(others) != 1:
            return None
        value = self._constants.value(others[0])
        first = references(call.args)[:1]
        if value is None or (call.target == "div" and [r.call for r in first] != own):
            return None
        return value.reciprocal() if call.target == "div" else value

    @cached_property
    def known(self) -> bool:
        """Whether every call on the way is one that units can be followed through."""
        return all(operation(c.rule).linearise for c in self.calls)

    def check_silent_start(self) -> None:
        """Whether units with zero incoming weights leave the network as it is, and learn; else `GrowthRefused`."""
        slopes = self.slopes
        for call in self.calls:
            own = self.own(call)
            reason = ""
            if call.rule == "add" and _adds_more(self, call):
                reason = "adds something else to the new units, so zero incoming weights would change the network"
            elif abs(slopes.get(call.name, 1.0)) < 1e-6 and not self._shapes[call.name].cut:
                reason = "is flat at 0: units with zero incoming weights would never learn"
            elif call.rule == "multiply" and len(own) > 1:
                reason = "multiplies new units by each other: with zero incoming weights they would never learn"
            elif call.rule == "add" and len(own) > 1 and call.target != "add":
                reason = "subtracts new units from each other: behind a ReLU they might never learn"
            if reason:
                raise GrowthRefused(
                    f"site {self.site.name!r}: {call.name!r} {reason}; use side: outgoing (how: zero, random or "
                    "gradmax_opt), or how: split"
                )

    def coefficients(self, producer: str, consumer: str) -> tuple[float, float]:
        """Where `scalar`: the factor of all that passes, and of its mean, which batch normalisation takes away."""
        pair = self.apply({producer: torch.tensor([1.0, 0.0], dtype=torch.float64)}).get(consumer)
        return (0.0, 0.0) if pair is None else (float(pair[0]), float(pair[1]))

    def handler(self, call: Call) -> PathStep | None:
        """What `call` does to virtual channels; None where that is not known."""
        return operation(call.rule).linearise

    @cached_property
    def unit(self) -> float:
        """The factor of batch normalisation in which the map is given: 1 / sqrt(eps), 1 where there is none."""
        return max((slope_at_zero(self.model, c) for c in self.calls if c.rule == "batch_norm"), default=1.0)

    def apply(self, z: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Consumer inputs from producer outputs, each with virtual channels where the site's would be."""
        env: dict[str, Tensor] = {name: value / self.unit for name, value in z.items()}
        for call in self.calls:
            if call.name in env:
                continue
            handler = self.handler(call)
            if handler is None:
                raise self.refusal(call)
            carried = [env[r.call] for r in references(call.args) + references(call.kwargs) if r.call in env]
            if carried:
                env[call.name] = handler(self, call, carried)
        return {name: env[source] for name in self.site.consumers if (source := self._source(name, env)) is not None}

    def _source(self, consumer: str, env: Mapping[str, Tensor]) -> str | None:
        call = self.graph.calls[consumer]
        return next((r.call for r in references(call.args) + references(call.kwargs) if r.call in env), None)

    def require_linear(self) -> None:
        """`GrowthRefused` where the units pass something that has no linear form at zero."""
        for call in self.calls:
            several = call.rule == "multiply" and len(references(call.args) + references(call.kwargs)) > 1
            if operation(call.rule).linearise is None or (several and self.factor(call) is None):
                raise self.refusal(call)

    def refusal(self, call: Call) -> GrowthRefused:
        """The error for a call through which new units cannot be followed."""
        made = self.graph.calls[call.args[0].call] if call.rule == "item" else call
        what = made.rule or "an operation that is not known"
        if made.rule == "multiply" and len(self.own(made)) > 1:
            what = "multiply: new units by each other"
        elif made.rule == "multiply":
            what = "multiply: by something that the input decides"
        return GrowthRefused(
            f"site {self.site.name!r}: its units pass {made.name!r} ({what}), which has no linear form at zero; use "
            "how: zero, random, split or gradmax_opt, and no where: singular_value"
        )

    def channel_axis(self, call: Call) -> int:
        """Axis of the call's output on which the site's units lie."""
        layout = self.graph.layout(call.name, self.site.name)
        assert layout is not None
        return int(layout[0])


@dataclass(frozen=True)
class _Shape:
    """An activation around 0: its value there, and its derivative at, just above and just below it.

    `cut` tells that the result is no differentiable function of the input, as with `detach`.
    """

    value: float
    at: float
    above: float
    below: float
    cut: bool = False


def _shape_at_zero(model: nn.Module, call: Call) -> _Shape:
    if _is_dropout(model, call):
        return _Shape(0.0, 1.0, 1.0, 1.0)
    if call.target == "prelu":
        return _Shape(0.0, 0.0, 1.0, 0.0)
    points = torch.tensor([0.0, STEP, -STEP], dtype=torch.float64, requires_grad=True)
    with torch.enable_grad():
        values = replay(model, call, points.clone())
        if not values.requires_grad:
            return _Shape(float(values[0]), 0.0, 0.0, 0.0, cut=True)
        slopes = torch.autograd.grad(values.sum(), points)[0]
    return _Shape(float(values.detach()[0]), *slopes.tolist())


def _adds_more(path: PathJacobian, call: Call) -> bool:
    """Whether a sum has a number in it, or another tensor that is not 0 in new units."""
    numbers = [v for v in [*call.args, call.kwargs.get("other")] if isinstance(v, int | float) and v != 0]
    added = [path.constant(name) for name in path.others(call)]
    return bool(numbers) or any(value is None or bool(value.any()) for value in added)


def _is_dropout(model: nn.Module, call: Call) -> bool:
    if call.kind == "module":
        return isinstance(model.get_submodule(call.target), nn.modules.dropout._DropoutNd)
    return "dropout" in call.target
