"""Neural architecture search by growing networks while they train."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from growsearch.errors import (
    ConfigError,
    DataError,
    GrowsearchError,
    GrowthFailed,
    GrowthRefused,
    InputError,
    TraceError,
    TraceWarning,
)

if TYPE_CHECKING:
    from growsearch.comparison.call import compare
    from growsearch.comparison.results import ComparisonResults, read_results
    from growsearch.graph import NetworkGraph, Site, trace
    from growsearch.growth import Grower, GrowthEvent, SoftGrower, grow
    from growsearch.search.call import run_search
    from growsearch.search.records import SearchResults, read_search
    from growsearch.training.saving import load, save
    from growsearch.upscaling import upscale

__all__ = [
    "ComparisonResults",
    "ConfigError",
    "DataError",
    "Grower",
    "GrowsearchError",
    "GrowthEvent",
    "GrowthFailed",
    "GrowthRefused",
    "InputError",
    "NetworkGraph",
    "SearchResults",
    "Site",
    "SoftGrower",
    "TraceError",
    "TraceWarning",
    "compare",
    "grow",
    "load",
    "read_results",
    "read_search",
    "run_search",
    "save",
    "trace",
    "upscale",
]

# Loaded on first use, because they import torch: the command line answers without it.
_LAZY = {
    "ComparisonResults": "growsearch.comparison.results",
    "compare": "growsearch.comparison.call",
    "read_results": "growsearch.comparison.results",
    "SearchResults": "growsearch.search.records",
    "read_search": "growsearch.search.records",
    "run_search": "growsearch.search.call",
    "NetworkGraph": "growsearch.graph",
    "Site": "growsearch.graph",
    "trace": "growsearch.graph",
    "Grower": "growsearch.growth",
    "GrowthEvent": "growsearch.growth",
    "SoftGrower": "growsearch.growth",
    "grow": "growsearch.growth",
    "load": "growsearch.training.saving",
    "save": "growsearch.training.saving",
    "upscale": "growsearch.upscaling",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _LAZY[name].partition(":")
    return getattr(import_module(module), attribute or name)
