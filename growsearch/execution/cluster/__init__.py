"""Runs on a Ray cluster: Ray places them and notices what dies, the run folder is shared by all nodes."""

from growsearch.execution.cluster.connection import Cluster, Connection, connected

__all__ = ["Cluster", "Connection", "connected"]
