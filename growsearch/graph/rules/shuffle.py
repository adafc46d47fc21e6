"""Channels that become positions, positions that become channels, and channels in another order."""

from __future__ import annotations

from torch import nn

from growsearch.graph.rules.registry import rule
from growsearch.graph.rules.step import Step, Value
from growsearch.graph.spaces import Space, space, tie, unify


@rule("pixel_shuffle", modules=(nn.PixelShuffle,), functions="pixel_shuffle")
def _pixel_shuffle(step: Step) -> list[Value]:
    """[..., C * r * r, H, W] to [..., C, H * r, W * r]: r * r channels in a row become one."""
    x = step.input
    channels = space(step.shapes[0][-3])
    factor = x.shape[-3] // step.shapes[0][-3]
    unify(x.axes[-3], tuple((block, repeat * factor) for block, repeat in channels))
    return _map(step, x, channels)


@rule("pixel_shuffle", modules=(nn.PixelUnshuffle,), functions="pixel_unshuffle")
def _pixel_unshuffle(step: Step) -> list[Value]:
    """[..., C, H * r, W * r] to [..., C * r * r, H, W]."""
    x = step.input
    factor = step.shapes[0][-3] // x.shape[-3]
    return _map(step, x, tuple((block, repeat * factor) for block, repeat in x.axes[-3]))


def _map(step: Step, x: Value, channels: Space) -> list[Value]:
    for pieces in x.axes[-2:]:
        step.freeze(pieces, "shuffled as positions")
    return step.output((*x.axes[:-3], channels, *step.fixed(step.shapes[0][-2:], "positions")))


@rule("channel_shuffle", modules=(nn.ChannelShuffle,), functions="channel_shuffle native_channel_shuffle")
def _channel_shuffle(step: Step) -> list[Value]:
    """Channels `[groups, C / groups]` become `[C / groups, groups]`: every group grows as much."""
    x = step.input
    groups = int(getattr(step.module, "groups", 0)) or int(step.argument(1, "groups"))
    part = tie(x.axes[1], groups)
    return step.output((x.axes[0], tuple((block, repeat * groups) for block, repeat in part), *x.axes[2:]))
