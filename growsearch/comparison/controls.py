"""The controls that a file asks for beside its growing policies: what they are called and what they train."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from growsearch.comparison.fixed_sizes import ends_elsewhere, fixed_sizes, size_words
from growsearch.config import RunConfig
from growsearch.errors import InputError

RETRAINED, EQUAL_COMPUTE, SMALL_COMPUTE = "retrained", "equal_compute", "small_equal_compute"
ENVELOPE = "envelope"
BIG = "big"
Place = Literal["seed", "between", "final"]


@dataclass(frozen=True)
class Control:
    """A control of the growing policy `of`: `kind` is retrained, equal_compute, small_equal_compute or envelope.

    `network` is the policy whose fixed network is trained; `of` itself stands for the architecture that it grew to, or,
    for small_equal_compute, for the one that it grew from. For envelope it is the latter with the parameters in `size`;
    `final` marks the size that growth ends at.
    """

    name: str
    kind: str
    of: str
    network: str
    size: Mapping[str, float] = field(default_factory=dict)
    final: bool = False

    @property
    def retrains(self) -> bool:
        """Whether it trains the architecture that the policy's run ended with."""
        return self.network == self.of and self.kind in (RETRAINED, EQUAL_COMPUTE)

    @property
    def place(self) -> Place | None:
        """Which size of the policy's it has, trained for as many FLOPs; None where it is no such network."""
        if self.kind == SMALL_COMPUTE:
            return "seed"
        if self.kind == ENVELOPE:
            return "final" if self.final else "between"
        return "final" if self.kind == EQUAL_COMPUTE and self.retrains else None

    @property
    def words(self) -> str:
        """What was trained, for a sentence about `of`."""
        if self.kind == RETRAINED:
            return "the same architecture trained from scratch"
        if self.kind == SMALL_COMPUTE:
            return "the network of the seed's size with the same training FLOPs"
        if self.kind == ENVELOPE:
            return f"the network of {size_words(self.size)} with the same training FLOPs"
        if self.network == self.of:
            return "the same architecture trained from scratch with the same training FLOPs"
        return f"{self.network} with the same training FLOPs"

    def plain(self) -> dict[str, Any]:
        """What `results.json` says of it."""
        own = {"size": dict(self.size), "final": self.final} if self.kind == ENVELOPE else {}
        return {"kind": self.kind, "of": self.of, "network": self.network, **own}


def in_envelope(control: Control, controls: Sequence[Control]) -> bool:
    """Return whether a control is one of the fixed sizes that its policy's envelope has."""
    return control.place is not None and any(one.of == control.of and one.kind == ENVELOPE for one in controls)


def planned_controls(
    configs: Mapping[str, RunConfig], kinds: Sequence[str], sizes: Sequence[float] = ()
) -> list[Control]:
    """The controls of these kinds for every policy that grows.

    At equal compute the big network is that of the policy called `big` where there is one that does not grow, otherwise
    the grown architecture; the seed's is the policy's own, trained as the policy is. The envelope, with the `sizes`
    that the file names, has the control small_equal_compute as its seed's size. Names have a blank, which a policy's
    cannot have. Raises `InputError` where no policy grows, or one has no such sizes.
    """
    growing = [name for name, config in configs.items() if config.growth.changes_size]
    if kinds and not growing:
        raise InputError(
            f"controls: no policy grows, so there is nothing to compare with {' or '.join(kinds)}: leave controls out, "
            "or add a policy that grows"
        )
    fixed = BIG if BIG in configs and BIG not in growing else None
    found = []
    for name in growing:
        if RETRAINED in kinds:
            found.append(Control(f"{name}, retrained", RETRAINED, name, name))
        if EQUAL_COMPUTE in kinds:
            title = f"{fixed} at {name}'s compute" if fixed else f"{name}, retrained at its compute"
            found.append(Control(title, EQUAL_COMPUTE, name, fixed or name))
        if SMALL_COMPUTE in kinds or ENVELOPE in kinds:
            found.append(Control(f"{name}'s seed network at its compute", SMALL_COMPUTE, name, name))
        if ENVELOPE in kinds:
            found += [one for one in _envelope(name, configs[name], sizes) if one not in found]
    return found


def _envelope(name: str, config: RunConfig, asked: Sequence[float]) -> list[Control]:
    """The sizes between the seed's and the final one, and this: the grown architecture where it has no other name."""
    sizes = fixed_sizes(name, config, asked)
    if ends_elsewhere(name, config, sizes):
        sizes = sizes.unnamed()
    named = [*sizes.between, *([sizes.final] if sizes.final not in (None, sizes.seed) else [])]
    found = []
    for value in sorted(value for value in named if value is not None):
        size = sizes.network(value)
        title = f"{size_words(size)} at {name}'s compute"
        found.append(Control(title, ENVELOPE, name, name, size, final=value == sizes.final))
    if sizes.final is None:
        found.append(Control(f"{name}, retrained at its compute", EQUAL_COMPUTE, name, name))
    return found
