"""The five controls of growth in a comparison, found by what its policies are and not by their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from growsearch.comparison.controls import RETRAINED, SMALL_COMPUTE, Control
from growsearch.comparison.fixed_sizes import deepens_network
from growsearch.config import RunConfig

SMALL, BIG, RANDOM = "small", "big", "random"
CONTROLS = {
    SMALL: "a fixed network of the seed's size",
    SMALL_COMPUTE: "a fixed network of the seed's size with the grown run's training FLOPs",
    BIG: "a fixed network of the final size",
    RETRAINED: "the grown architecture trained from scratch",
    RANDOM: "random growth at the same times and places",
}
_SAME_SIZE = 0.05  # of the parameters
_FINAL_SIZE = 0.1  # growth by a budget ends near a size, not at it
_SAME_FLOPS = 0.05  # of the training's


@dataclass(frozen=True)
class Grown:
    """A policy as a comparison found it: `seed` and `final` are mean active parameters at the beginning and the end.

    `flops` are those of the training.
    """

    config: RunConfig
    seed: float
    final: float
    flops: float


def find_controls(policies: Mapping[str, Grown], controls: Mapping[str, Control]) -> dict[str, dict[str, str | None]]:
    """For each growing policy, by kind of control, the policy that is it; None where there is none.

    `controls` are those of the file that have a finished run, by name. Policies without one are left out.
    """
    made = {(control.of, control.kind): name for name, control in controls.items()}
    finals = {control.of: name for name, control in controls.items() if control.final}
    growing = {name: one for name, one in policies.items() if one.config.growth.changes_size}
    fixed = {name: one for name, one in policies.items() if not one.config.growth.changes_size}
    found: dict[str, dict[str, str | None]] = {}
    for name, one in growing.items():
        found[name] = {
            SMALL: _fixed(fixed, one, one.seed, _SAME_SIZE),
            BIG: _fixed(fixed, one, one.final, _FINAL_SIZE) or finals.get(name),
            RETRAINED: made.get((name, RETRAINED)),
        }
        if one.final > one.seed:
            made_so = made.get((name, SMALL_COMPUTE))
            found[name][SMALL_COMPUTE] = made_so or _fixed(_as_long(fixed, one), one, one.seed, _SAME_SIZE)
        if _needs_random(one.config):
            same = [other for other, each in growing.items() if _random_of(one.config, each.config)]
            found[name][RANDOM] = name if name in same else next(iter(same), None)
    return found


def lacking_controls(controls: Mapping[str, Mapping[str, str | None]]) -> dict[str, list[str]]:
    """For each of the controls that is not there, the growing policies that it lacks for."""
    found = {kind: [name for name, own in controls.items() if kind in own and own[kind] is None] for kind in CONTROLS}
    return {kind: names for kind, names in found.items() if names}


def lacking_sentence(lacking: Mapping[str, Sequence[str]], growing: int) -> str | None:
    """The line below a verdict; None where nothing is lacking. `growing` is the number of policies that grow."""
    if not lacking:
        return None
    parts = [
        CONTROLS[control] + ("" if len(names) == growing else f" (for {', '.join(names)})")
        for control, names in lacking.items()
    ]
    decides = ""
    if SMALL_COMPUTE in lacking:
        decides = (
            f" Without the control {SMALL_COMPUTE} nothing can be said on whether growing was worth it: the seed's "
            "network may gain as much by training as long."
        )
    return f"Lacking, of the five controls of growth: {'; '.join(parts)}.{decides}"


def _fixed(fixed: Mapping[str, Grown], one: Grown, size: float, tolerance: float) -> str | None:
    """The fixed network on the same data whose size is nearest to `size`, where one is near enough.

    One that was trained as the policy was comes before all others.
    """
    near = {
        name: abs(other.final - size)
        for name, other in fixed.items()
        if other.config.data == one.config.data and abs(other.final - size) <= tolerance * size
    }
    return min(near, key=lambda name: (fixed[name].config.training != one.config.training, near[name]), default=None)


def _as_long(fixed: Mapping[str, Grown], one: Grown) -> dict[str, Grown]:
    """The fixed networks that trained for as many FLOPs."""
    return {name: other for name, other in fixed.items() if abs(other.flops - one.flops) <= _SAME_FLOPS * one.flops}


def _needs_random(config: RunConfig) -> bool:
    """Random units are a control of growth in units: not of layers, nor of sizes that gradient descent chooses."""
    return config.growth.grows and not deepens_network(config)


def _random_of(config: RunConfig, other: RunConfig) -> bool:
    """Whether `other` is `config` but for random new units."""
    return "random" in other.growth.how and _but_for_how(config) == _but_for_how(other)


def _but_for_how(config: RunConfig) -> list[Any]:
    return [config.data, config.network, config.training, config.growth.model_copy(update={"how": {}})]
