"""Neural architecture search by growing networks while they train."""

from growsearch.errors import (
    ConfigError,
    DataError,
    GrowsearchError,
    GrowthFailed,
    GrowthRefused,
    InputError,
    TraceError,
)
from growsearch.graph import NetworkGraph, Site, trace
from growsearch.growth import Grower, GrowthEvent, grow

__all__ = [
    "ConfigError",
    "DataError",
    "Grower",
    "GrowsearchError",
    "GrowthEvent",
    "GrowthFailed",
    "GrowthRefused",
    "InputError",
    "NetworkGraph",
    "Site",
    "TraceError",
    "grow",
    "trace",
]
