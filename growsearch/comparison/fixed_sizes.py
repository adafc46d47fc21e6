"""The fixed sizes that a user could have had in place of a growing network, as parameters of its seed network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from typing import Literal

from growsearch.config import GrowthConfig, RunConfig
from growsearch.errors import InputError
from growsearch.execution.forecast import forecasts
from growsearch.growth import Initializer
from growsearch.registry import lookup
from growsearch.training.setup import set_up

Axis = Literal["width", "depth"]
OTHER_SIZE = 0.1  # of the parameters: growth by a budget ends near a size, not at it


@dataclass(frozen=True)
class FixedSizes:
    """Values of the network's parameter `axis`: the `seed`'s, those `between`, and the `final` one.

    `final` is None where growth ends at a size that has no name before it has run. `between` may hold others too, which
    the file asks for.
    """

    axis: Axis
    seed: float
    between: tuple[float, ...]
    final: float | None

    def unnamed(self) -> FixedSizes:
        """Return the same sizes, the final one among the others: growth will not end at it."""
        return self if self.final is None else replace(self, between=(*self.between, self.final), final=None)

    def network(self, value: float) -> dict[str, float]:
        """Return what a network of one of the sizes has in place of the seed's."""
        return {self.axis: int(value) if self.axis == "depth" else value}


def fixed_sizes(name: str, config: RunConfig, asked: Sequence[float] = ()) -> FixedSizes:
    """Return the sizes for the growing policy `name`; `asked` are those that the file names.

    Where it names none, there is every power of 2 times the seed's depth between it and the final one (or, where there
    is none, a depth in the middle), or the width in the geometric middle. Raises `InputError` where the network or the
    growth has no such sizes, or those asked for are none.
    """
    axis, final = _axis_and_final(config)
    if axis not in config.network:
        raise InputError(
            f"controls: envelope: the network of {name} has no parameter {axis!r}, so it has no other fixed sizes: "
            "take controls: [equal_compute, small_equal_compute]"
        )
    seed = float(config.network[axis])
    if axis == "depth" and (odd := [size for size in asked if not float(size).is_integer()]):
        raise InputError(
            f"controls: envelope: sizes of {name} are values of network.depth, whole numbers (found {odd[0]:g})"
        )
    between = tuple(sorted({float(size) for size in asked} - {seed, final}))
    if not between and final is None:
        budget = next(iter(config.growth.budget or {}), None)
        raise InputError(
            f"controls: envelope: at which {axis} {name} ends is not known beforehand ("
            f"{f'its budget is of {budget}' if budget else 'it has no budget'}), so neither are the sizes between: "
            f"name some, as values of network.{axis}: controls: [{{envelope: {{sizes: [{2 * seed:g}]}}}}], or give "
            "growth a budget of width or depth"
        )
    if not asked and final is not None:
        between = _depths(int(seed), int(final)) if axis == "depth" else _widths(seed, final)
    return FixedSizes(axis, seed, between, final)


def ends_elsewhere(name: str, config: RunConfig, sizes: FixedSizes) -> bool:
    """Return whether growth will end at another size than the network that its budget names.

    So it is where some sites cannot grow, or not within the run. Told by parameters, more than a tenth; False where
    they depend on the run. Raises `InputError` where the policy or that network cannot be set up.
    """
    if sizes.final is None:
        return False
    coming = forecasts({name: config}).get(name)
    if coming is None or coming.parameters is None or coming.about:
        return False
    network = {**config.network, **sizes.network(sizes.final)}
    fixed = config.model_copy(update={"network": network, "growth": GrowthConfig()})
    named = sum(parameter.numel() for parameter in set_up(fixed, 0, "cpu").model.parameters())
    return abs(coming.parameters - named) > OTHER_SIZE * named


def _axis_and_final(config: RunConfig) -> tuple[Axis, float | None]:
    budget = config.growth.budget or {}
    if "blocks" in budget:
        return "depth", float(budget["blocks"])
    if "depth" in budget:
        return "depth", float(round(budget["depth"] * config.network.get("depth", 1)))
    return "width", None if deepens_network(config) else budget.get("width")


def deepens_network(config: RunConfig) -> bool:
    """Return whether the policy makes the network deeper: no multiplier of widths names what it becomes."""
    found = lookup("how", next(iter(config.growth.how)))
    return config.growth.grows and issubclass(found, Initializer) and found.deepens()


def _depths(seed: int, final: int) -> tuple[float, ...]:
    powers = [seed * 2**power for power in range(1, final.bit_length()) if seed * 2**power < final]
    middle = round(sqrt(seed * final))
    return tuple(map(float, powers or ([middle] if seed < middle < final else [])))


def _widths(seed: float, final: float) -> tuple[float, ...]:
    middle = float(f"{sqrt(seed * final):.3g}")
    return (middle,) if seed < middle < final else ()


def size_words(size: Mapping[str, float]) -> str:
    """Return `width 0.5`."""
    return ", ".join(f"{axis} {value:g}" for axis, value in size.items())
