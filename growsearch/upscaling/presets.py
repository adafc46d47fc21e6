"""Ways to deepen a network that papers have named."""

from __future__ import annotations

from dataclasses import dataclass

from growsearch.errors import InputError
from growsearch.growth.policy import Spec
from growsearch.registry import nearest


@dataclass(frozen=True)
class Preset:
    """How blocks are added, and how many unless the user says: `depth` is a multiple."""

    summary: str
    source: str
    how: Spec
    depth: float


PRESETS = {
    "llama-pro": Preset(
        "copies of blocks that start as the identity, spread evenly between the blocks; keeps the function",
        "Wu et al. 2024, LLaMA Pro: Progressive LLaMA with Block Expansion",
        {"identity_blocks": {"order": "interleave"}},
        1.25,
    ),
    "solar": Preset(
        "the first and the last blocks of two copies, so that those in the middle come twice; changes the function",
        "Kim et al. 2023, SOLAR 10.7B: Depth Up-Scaling",
        {"stack": {"order": "middle"}},
        1.5,
    ),
}


def preset_named(name: str) -> Preset:
    """Return a preset by its name; `InputError` where there is none."""
    if name not in PRESETS:
        raise InputError(f"--preset {name}: unknown: there are {', '.join(PRESETS)}{nearest(name, list(PRESETS))}")
    return PRESETS[name]
