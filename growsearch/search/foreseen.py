"""Which limits a trial is going to break, as far as its configuration alone tells."""

from __future__ import annotations

from collections.abc import Mapping

from growsearch.config import RunConfig, SearchConfig
from growsearch.data import load_data
from growsearch.execution.forecast import forecasts
from growsearch.networks import build_network
from growsearch.registry import lookup
from growsearch.search.measures import excess
from growsearch.training import forward_flops_per_sample

SIZES = ("parameters", "flops")


class BreaksLimits(Exception):
    """A trial is sure to break a limit of the search, so it need not be trained."""

    def __init__(self, broken: Mapping[str, float], words: str) -> None:
        super().__init__(words)
        self.broken = broken


def require_within_limits(config: RunConfig, search: SearchConfig) -> None:
    """Raise `BreaksLimits` where the network is sure to end too large or too small.

    A network that only grows ends no smaller than it starts, one that does not change ends as it starts, and one whose
    budget of width is sure to be used up by then ends at that width. Others are trained, and measured at the end.
    """
    limited = [measure for measure in SIZES if measure in search.limits]
    if not limited or config.growth.soft is not None or _shrinks(config):
        return
    known = _final_sizes(config) if config.growth.grows else None
    for measure in limited:
        least = seed_size(config, measure) if known is None else known[measure]
        most = None if known is None and config.growth.grows else least
        broken = excess(measure, search.limits[measure], least, most)
        if any(share > 0 for share in broken.values()):
            raise BreaksLimits(broken, f"it ends with {'at least ' if most is None else ''}{least:,} {measure}")


def _shrinks(config: RunConfig) -> bool:
    return any(getattr(lookup("where", name), "removes", False) for name in config.growth.where)


def _final_sizes(config: RunConfig) -> dict[str, int] | None:
    """Parameters and FLOPs at the end of a run that uses up its budget of width; None where that is not known."""
    if "width" not in (config.growth.budget or {}):
        return None
    found = forecasts({"trial": config})["trial"]
    if not found.full or found.about or found.parameters is None or found.flops is None:
        return None
    return {"parameters": found.parameters, "flops": found.flops}


def seed_size(config: RunConfig, measure: str) -> int:
    """Parameters, or FLOPs of a forward pass of one sample, of a run's network before it grows."""
    data = load_data(config.data, 0, config.allow_import)
    model = build_network(config.network, data.input_shape, data.outputs, config.allow_import)
    if measure == "flops":
        return forward_flops_per_sample(model, data.example())
    return sum(parameter.numel() for parameter in model.parameters())
