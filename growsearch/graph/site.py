"""Sites: the channel dimensions of a network that may change size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

Role = Literal["out", "in", "bias", "scale", "shift", "mean", "variance", "depthwise", "free"]
Kind = Literal["exact", "mixing", "frozen"]


@dataclass(frozen=True)
class Run:
    """Where a site's units lie on an axis: unit `u` is `[offset + u * repeat, offset + (u + 1) * repeat)`."""

    offset: int
    repeat: int

    def span(self, units: int) -> slice:
        """The positions of the first `units` units, one after the other."""
        return slice(self.offset, self.offset + units * self.repeat)


@dataclass(frozen=True)
class AxisUse:
    """One axis of a parameter or buffer that a site's units occupy, in one or several runs.

    `tensor` is the name in `model.state_dict()`. A tensor shared under several names (tying) is listed once, under
    its first name, with all of them in `aliases`. `runs` are in order of their offset: a grouped convolution or a
    concatenation of a tensor with itself has several. `tied`: it takes the units in and also makes them, or is added
    to or multiplied with them.
    """

    tensor: str
    axis: int
    role: Role
    runs: tuple[Run, ...]
    size: int
    aliases: tuple[str, ...] = ()
    tied: bool = False

    @property
    def module(self) -> str:
        """Path of the module that owns the tensor."""
        return self.tensor.rpartition(".")[0]

    def positions(self, *units: int) -> list[int]:
        """The positions of units along the axis: run after run, unit after unit."""
        return [run.offset + unit * run.repeat + i for run in self.runs for unit in units for i in range(run.repeat)]


@dataclass(frozen=True)
class AttributeUse:
    """A whole number that a module keeps beside its tensors and that grows by `per_unit` with every unit of a site.

    `module` is the module's path, `value` what the attribute `name` is now.
    """

    module: str
    name: str
    value: int
    per_unit: int


@dataclass(frozen=True)
class SizeUse:
    """A normalisation without tensors of a site's size: it remembers the size of axis `axis` of what it normalises.

    A unit takes `positions` of it. `axis` counts from the first axis that the module remembers.
    """

    module: str
    axis: int
    positions: int


@dataclass(frozen=True)
class NormUse:
    """A layer or RMS normalisation over all channels of a site and nothing else.

    It multiplies by `offset` plus its weight, the tensor `weight`; what it adds to the variance is the attribute `name`
    of the module at path `module`. `kept` is what that holds now, None where torch then takes its default `eps`.
    """

    weight: str
    module: str
    name: str
    kept: float | None
    eps: float
    offset: float = 0.0


@dataclass(frozen=True)
class Writer:
    """An axis of a tensor that writes to a stream; `scales` are the tensors that multiply what it writes, if any."""

    tensor: str
    axis: int
    scales: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stream:
    """How a site grows exactly although layer or RMS normalisations are over its channels.

    Every writer gives new channels the mean of what it gives the old ones (`centred`: layer normalisation takes the
    mean away), or 0 (RMS normalisation). From width d to d', the weights of the old channels in every norm are
    multiplied by sqrt(d / d') and its eps by d / d'. Then new channels are 0 behind every norm.
    `raw` are the consumers' tensors and axes that also read what no norm has passed. Copies of a channel share what
    reads it; where that also writes to the stream (a tied head), `shared` take the shares: weights and biases of the
    norms before it. None: others read behind these, too.
    """

    centred: bool
    norms: tuple[NormUse, ...]
    writers: tuple[Writer, ...]
    raw: tuple[tuple[str, int], ...] = ()
    shared: tuple[tuple[str, int], ...] | None = ()


@dataclass(frozen=True)
class Site:
    """A channel space that can change size.

    A *unit* is the smallest amount by which the site can change: `granularity` channels of its first producer (more
    than one behind grouped convolutions). `producers` and `consumers` are names of calls in the graph (module calls
    whose weight has this space on its output / input axis); `path` holds the calls that carry the space from the
    producers to the consumers, in topological order. `axes` is every tensor axis that has to change with the site,
    `attributes` every number of heads and the like that modules keep, `sizes` what those without tensors remember.
    `stream` tells how a site with normalisations over its channels is exact; it is None for all others.
    """

    name: str
    units: int
    granularity: int
    kind: Kind
    reason: str
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    path: tuple[str, ...]
    axes: tuple[AxisUse, ...]
    parameters_per_unit: int
    flops_per_unit: int
    attributes: tuple[AttributeUse, ...] = ()
    sizes: tuple[SizeUse, ...] = ()
    stream: Stream | None = None

    @property
    def width(self) -> int:
        """Channels of the site at its first producer."""
        return self.units * self.granularity

    @property
    def plain(self) -> bool:
        """Whether it is exact by itself: no normalisation over its channels has to follow."""
        return self.kind == "exact" and self.stream is None

    @property
    def tensors(self) -> set[str]:
        """All names of the tensors that change with it."""
        return {name for use in self.axes for name in (use.tensor, *use.aliases)}

    def __str__(self) -> str:
        """List all that changes size together with it."""
        from growsearch.drawing.plain import site_text

        return site_text(self)

    def takes_part(self, patterns: Sequence[str] | None) -> bool:
        """Whether a policy grows it: plain sites that match a pattern (None: all), others only by their full name."""
        if self.plain:
            return patterns is None or any(fnmatchcase(self.name, pattern) for pattern in patterns)
        return self.kind != "frozen" and self.name in (patterns or ())


@dataclass(frozen=True)
class DepthSite:
    """A place where a layer can be inserted: right after the module at path `name`, called once in a run.

    The module is a linear layer, a convolution, a batch normalisation or an activation whose output has 2 to 4 axes.
    `channels` is the size of the output's channel axis: axis 1 of a feature map, the last axis of vectors and tokens.
    `spatial` is the number of axes behind axis 1 of a feature map, 0 for vectors and tokens (a channels-last map counts
    as tokens). `shape` is that of the output in the example run. `activation` tells whether the module is an idempotent
    activation, phi(phi(z)) = phi(z): behind it an identity layer followed by the same activation keeps the function.
    """

    name: str
    channels: int
    spatial: int
    activation: bool
    shape: tuple[int, ...]
