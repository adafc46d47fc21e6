"""Trained networks as files for other programs."""

from growsearch.export.finished import find_network, finished_networks
from growsearch.export.network import Exported, export_network

__all__ = ["Exported", "export_network", "find_network", "finished_networks"]
