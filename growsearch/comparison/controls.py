"""The controls that a file asks for beside its growing policies: what they are called and what they train."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from growsearch.config import RunConfig
from growsearch.errors import InputError

RETRAINED, EQUAL_COMPUTE, SMALL_COMPUTE = "retrained", "equal_compute", "small_equal_compute"
BIG = "big"


@dataclass(frozen=True)
class Control:
    """A control of the growing policy `of`: `kind` is retrained, equal_compute or small_equal_compute.

    `network` is the policy whose fixed network is trained; `of` itself stands for the architecture that it grew to, or,
    for small_equal_compute, for the one that it grew from.
    """

    name: str
    kind: str
    of: str
    network: str

    @property
    def retrains(self) -> bool:
        """Whether it trains the architecture that the policy's run ended with."""
        return self.network == self.of and self.kind != SMALL_COMPUTE

    @property
    def words(self) -> str:
        """What was trained, for a sentence about `of`."""
        if self.kind == RETRAINED:
            return "the same architecture trained from scratch"
        if self.kind == SMALL_COMPUTE:
            return "the network of the seed's size with the same training FLOPs"
        if self.network == self.of:
            return "the same architecture trained from scratch with the same training FLOPs"
        return f"{self.network} with the same training FLOPs"

    def plain(self) -> dict[str, Any]:
        """What `results.json` says of it."""
        return {"kind": self.kind, "of": self.of, "network": self.network}


def planned_controls(configs: Mapping[str, RunConfig], kinds: Sequence[str]) -> list[Control]:
    """The controls of these kinds for every policy that grows.

    At equal compute the big network is that of the policy called `big` where there is one that does not grow, otherwise
    the grown architecture; the seed's is the policy's own, trained as the policy is. Names have a blank, which a
    policy's cannot have. Raises `InputError` where no policy grows.
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
        if SMALL_COMPUTE in kinds:
            found.append(Control(f"{name}'s seed network at its compute", SMALL_COMPUTE, name, name))
    return found
