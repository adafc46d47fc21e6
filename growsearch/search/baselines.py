"""What every search begins with: the small network, the big one, and growth with random units."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from growsearch.config import RunConfig
from growsearch.config.merge import merge
from growsearch.config.run_config import normalized
from growsearch.data import load_data
from growsearch.errors import InputError
from growsearch.networks import build_network
from growsearch.search.space import centre
from growsearch.training import forward_flops_per_sample

_DOUBLINGS = 8  # of the width, in looking for one that uses up a budget
_HALVINGS = 8


def baselines(data: Mapping[str, Any], allow_import: bool = False) -> dict[str, dict[str, Any]]:
    """The plain files of `small`, `big` and `random`, in the middle of the file's ranges; those that can be had.

    `big` is the network as large as the budget allows from the start; it needs a budget other than `units`, and a
    network with a `width`, or a `depth` for a budget of blocks: random units are no control of these. A space in which
    nothing grows has none of them.
    """
    base = centre(data)
    config = normalized(base, allow_import)
    if not config.growth.grows and config.growth.soft is None:
        return {}
    made = {"small": _with(data, base, "when", "never")}
    full = _full_depth(config) or _full_width(config)
    if full is not None:
        made["big"] = merge(made["small"], {"network": full})
    if config.growth.grows and not {"depth", "blocks"} & set(config.growth.budget or {}):
        made["random"] = _with(data, base, "how", "random")
    return {name: plain for name, plain in made.items() if _fits(plain, allow_import)}


def _with(data: Mapping[str, Any], base: dict[str, Any], part: str, strategy: str) -> dict[str, Any]:
    """The middle of the space with a strategy: the space's own option where it has that, otherwise its defaults."""
    chosen = centre(data, {f"growth.{part}": strategy})
    named = chosen.get("growth", {}).get(part)
    if named == strategy or (isinstance(named, dict) and strategy in named):
        return chosen
    plain: dict[str, Any] = merge(base, {"growth": {part: {strategy: {}}}})
    return plain


def _fits(plain: dict[str, Any], allow_import: bool) -> bool:
    try:
        normalized(plain, allow_import)
    except InputError:
        return False
    return True


def _full_depth(config: RunConfig) -> dict[str, int] | None:
    """The network's `depth` that uses up a budget of blocks; None where it has another budget, or no depth."""
    budget, depth = config.growth.budget or {}, config.network.get("depth")
    if depth is None:
        return None
    if "depth" in budget:
        return {"depth": round(budget["depth"] * depth)}
    return {"depth": budget["blocks"]} if "blocks" in budget else None


def _full_width(config: RunConfig) -> dict[str, float] | None:
    """The network's `width` at which it uses up its budget; None where there is none."""
    budget, width = config.growth.budget or {}, None
    if "width" in budget:
        width = float(budget["width"]) if _size(config, "parameters", budget["width"]) is not None else None
    for measure in ("parameters", "flops"):
        if measure in budget:
            limit = budget[measure]
            width = _largest_within(config, measure, max(limit) if isinstance(limit, list | tuple) else limit)
    return None if width is None else {"width": width}


def _largest_within(config: RunConfig, measure: str, limit: int) -> float | None:
    """The largest width with which the network keeps a limit, found by doubling and bisecting."""
    low = float(config.network.get("width", 1.0))
    size = _size(config, measure, low)
    if size is None or size > limit:
        return None
    high = low
    for _ in range(_DOUBLINGS):
        high *= 2
        size = _size(config, measure, high)
        if size is None or size > limit:
            break
        low = high
    for _ in range(_HALVINGS if high > low else 0):
        middle = (low + high) / 2
        size = _size(config, measure, middle)
        low, high = (middle, high) if size is not None and size <= limit else (low, middle)
    return low


def _size(config: RunConfig, measure: str, width: float) -> int | None:
    """Parameters or FLOPs of the network at a width; None where it has no width."""
    data = load_data(config.data, 0, config.allow_import)
    try:
        model = build_network({**config.network, "width": width}, data.input_shape, data.outputs, config.allow_import)
    except InputError:
        return None
    if measure == "flops":
        return forward_flops_per_sample(model, data.example())
    return sum(parameter.numel() for parameter in model.parameters())
