"""Seed networks: by name, from torchvision, from the user's own code, or from a list of layers."""

from growsearch.networks.base import Network
from growsearch.networks.build import (
    build_network,
    initialise_network,
    reads_tokens,
    torchvision_network,
    validate_network,
)

__all__ = [
    "Network",
    "build_network",
    "initialise_network",
    "reads_tokens",
    "torchvision_network",
    "validate_network",
]
