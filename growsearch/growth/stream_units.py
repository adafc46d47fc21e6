"""New units of a stream: what writes them is given, what reads them is free.

Under layer normalisation every writer's new rows are the means of its old ones (their biases, and the columns of
embeddings and position tables, too), under RMS normalisation they are 0. The norms of the site change in the same edit
(`growsearch.surgery.site_edits`), so that the new channels are 0 behind every one of them: whatever consumers have for
them, the function stays as it is, and the gradient reaches the writers at once.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from growsearch.errors import GrowthRefused
from growsearch.graph import AxisUse, Site, Writer
from growsearch.growth.candidate import FillKey, NewUnit
from growsearch.growth.random_directions import random_directions
from growsearch.growth.starts import start_of
from growsearch.growth.unit_weights import fill_shape, mean_norm_of, positions, unit_weights, weight_of

Draw = Callable[[AxisUse, int, int], Tensor]
"""`draw(use, units, length)`: the free weights `[units, length]` of consumers."""


def require_no_stream(site: Site) -> None:
    """`GrowthRefused` at a stream, for what chooses the weights that make new units."""
    if site.stream is not None:
        norms = ", ".join(dict.fromkeys(repr(norm.module) for norm in site.stream.norms[:2]))
        raise GrowthRefused(
            f"site {site.name!r} is a stream that passes normalisations over all of its channels ({norms} and others): "
            "what its layers write into new channels is given by what they write into the old ones, and cannot be "
            "chosen; use how: zero, random or copy_width there"
        )


def require_written(site: Site, trainable: frozenset[str] | None) -> None:
    """`GrowthRefused` where nothing that writes to a stream trains: new channels would be 0 for good."""
    assert site.stream is not None
    if trainable is not None and not any(writer.tensor in trainable for writer in site.stream.writers):
        raise GrowthRefused(
            f"site {site.name!r}: nothing that writes to it is trained, so what new channels hold would never change: "
            "let a layer that writes to it require gradients and give it to the optimizer, or leave the site out"
        )


def stream_units(
    model: nn.Module, site: Site, count: int, draw: Draw, trainable: frozenset[str] | None = None
) -> list[NewUnit]:
    """`count` units of a site with a stream, that leave the function as it is.

    Args:
        model: the network.
        site: whose `stream` is not None.
        count: number of units.
        draw: what consumers have for them; those that read the stream without a normalisation start at 0.
        trainable: names of the parameters that train; None: all.

    Raises:
        GrowthRefused: nothing that writes to the stream trains.
    """
    assert site.stream is not None
    require_written(site, trainable)
    written = {(writer.tensor, writer.axis): writer for writer in site.stream.writers}
    scales = {name for writer in site.stream.writers for name in writer.scales}
    common: dict[FillKey, Tensor] = {}
    drawn: dict[FillKey, Tensor] = {}
    for use in site.axes:
        key, weight = (use.tensor, use.axis), weight_of(model, use)
        if key in written:
            common[key] = _written(model, site, use, written[key])
        elif use.tensor in scales:
            common[key] = _rms(weight).expand(fill_shape(use, weight)).contiguous()
        elif use.role == "in" and key not in site.stream.raw:
            shape = fill_shape(use, weight)
            drawn[key] = draw(use, count, weight.new_empty(shape, device="meta").numel()).view(count, *shape).to(weight)
        elif use.role == "scale" and (offset := _offset(site, use.tensor)) is not None:
            common[key] = weight.new_full(fill_shape(use, weight), 1.0 - offset)
    return [
        NewUnit(
            site=site.name,
            index=i,
            parameters=site.parameters_per_unit,
            flops=site.flops_per_unit,
            fills={**common, **{key: values[i] for key, values in drawn.items()}},
        )
        for i in range(count)
    ]


def own_start(model: nn.Module, generator: torch.Generator) -> Draw:
    """Consumers' new weights as their layers themselves begin."""
    return lambda use, units, length: start_of(model, use).draw(units, length, generator)


def random_start(
    model: nn.Module, site: Site, generator: torch.Generator, length: Callable[[float], float], positive: bool
) -> Draw:
    """Consumers' new weights in random directions, layer by layer.

    Args:
        model: the network.
        site: whose units they are.
        generator: that they are drawn from.
        length: of a unit's weights in a layer, from the mean norm of the existing units' there.
        positive: whether all entries are positive.
    """
    ends = {part.use: [part] for channel in unit_weights(model, site, "in") for part in channel}
    return lambda use, units, size: (
        random_directions(units, size, generator, positive) * length(mean_norm_of(model, site, ends[use]))
    )


def _written(model: nn.Module, site: Site, use: AxisUse, writer: Writer) -> Tensor:
    """What a writer has for one new unit: 0, or the mean of what it has for the old ones, times their scales.

    The new unit's own scales are in the way of its value, and divide it.
    """
    assert site.stream is not None
    weight = weight_of(model, use)
    if not site.stream.centred:
        return weight.new_zeros(fill_shape(use, weight))
    wide = weight.double()
    for name in writer.scales:
        axis = next(other for other in site.axes if other.tensor == name)
        scale = weight_of(model, axis).double()
        wide = wide * scale.flatten().view([-1 if i == use.axis else 1 for i in range(weight.ndim)]) / _rms(scale)
    mean = wide.mean(use.axis, keepdim=True)
    return mean.expand([positions(use) if i == use.axis else -1 for i in range(weight.ndim)]).to(weight).contiguous()


def _rms(scale: Tensor) -> Tensor:
    """Root mean square of a scale: what a new channel has, 1 where all are 0."""
    size = scale.double().square().mean().sqrt().to(scale)
    return torch.where(size > 0, size, torch.ones_like(size))


def _offset(site: Site, tensor: str) -> float | None:
    """What a norm of the site adds to its weight `tensor`; None where that is of no norm."""
    assert site.stream is not None
    return next((norm.offset for norm in site.stream.norms if norm.weight == tensor), None)
