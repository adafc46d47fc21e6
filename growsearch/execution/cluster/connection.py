"""A Ray cluster: connected to, and what it has."""

from __future__ import annotations

import os
import socket
import warnings
from collections import Counter
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from growsearch.errors import ClusterWarning, GrowsearchError, InputError
from growsearch.installing import command_for_extra

_HOW = "start a cluster with `ray start --head`, join other machines with `ray start --address HOST:PORT`"
_PATIENCE = 5.0  # seconds for a connection
_STRIKES = 3  # runs that failed at once on a node and went on elsewhere, after which it gets none


@dataclass(frozen=True)
class Cluster:
    """Which Ray cluster: `address` as `HOST:PORT`, None for `RAY_ADDRESS`, the one that runs here, or one of this
    machine alone, made now."""

    address: str | None = None


@dataclass(frozen=True)
class Need:
    """What one process needs of a node: CPU cores, and GPUs or a share of one."""

    cpus: int = 1
    gpus: float = 0.0

    @property
    def options(self) -> dict[str, float]:
        """As Ray's tasks take it; GPUs that are not asked for are not seen."""
        return {"num_cpus": self.cpus, "num_gpus": self.gpus}

    @property
    def words(self) -> str:
        """As a message has it."""
        gpus = f" and {self.gpus:g} GPU" if self.gpus else ""
        return f"{self.cpus} core{'s' if self.cpus > 1 else ''}{gpus}"

    def of(self, resources: Mapping[str, float]) -> int:
        """How many such processes fit at a time."""
        counts = [resources.get("CPU", 0.0) / self.cpus]
        counts += [resources.get("GPU", 0.0) / self.gpus] if self.gpus else []
        return int(min(counts) + 1e-6)


@dataclass
class Connection:
    """A cluster that this process is a driver of, and the nodes that turned out to be of no use."""

    ray: Any
    excluded: dict[str, str] = field(default_factory=dict)
    strikes: Counter[str] = field(default_factory=Counter)
    warned: bool = False

    def device(self, wanted: str) -> str:
        """Where runs compute: `auto` is CUDA where a node has a GPU; `InputError` where none has what is asked for."""
        gpus = self.ray.cluster_resources().get("GPU", 0.0)
        if wanted.startswith("cuda") and not gpus:
            raise InputError("no node of the cluster has a GPU: use --device cpu, or auto")
        return "cuda" if gpus and wanted != "cpu" else "cpu"

    def nodes(self) -> dict[str, Mapping[str, float]]:
        """Resources of the living nodes by their identity, without those that get no runs."""
        alive = {node["NodeID"]: node["Resources"] for node in self.ray.nodes() if node["Alive"]}
        return {name: resources for name, resources in alive.items() if name not in self.excluded}

    def slots(self, need: Need) -> int:
        """How many processes of a kind all nodes together take."""
        return sum(need.of(resources) for resources in self.nodes().values())

    def fits(self, need: Need) -> set[str]:
        """The nodes that take a process of a kind when they are free."""
        return {name for name, resources in self.nodes().items() if need.of(resources)}

    def warn_of_lack(self, need: Need) -> None:
        """Warn, once, where no node takes a process of a kind, however free it is."""
        if not self.warned and not self.fits(need):
            self.warned = True
            warnings.warn(f"no node of the cluster has {need.words}: waiting for one", ClusterWarning, stacklevel=3)

    def cores(self, need: Need) -> tuple[int, int]:
        """CPU cores of all nodes that take a process of a kind, and of the smallest of these."""
        counts = [int(self.nodes()[name].get("CPU", 0)) for name in self.fits(need)]
        return sum(counts), min(counts, default=1)

    def selector(self, avoid: frozenset[str] = frozenset()) -> dict[str, str]:
        """Ray's condition for a node: none of those to avoid, and none that gets no runs."""
        unwanted = sorted(avoid | self.excluded.keys())
        return {"ray.io/node-id": f"!in({','.join(unwanted)})"} if unwanted else {}

    def beside_driver(self) -> Any:
        """Ray's placement of an actor on the node of this process: it lives as long as the driver does."""
        node = self.ray.get_runtime_context().get_node_id()
        return self.ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node, soft=False)

    def exclude(self, node: str, host: str, reason: str, need: Need) -> None:
        """Give a node no runs any more; `GrowsearchError` where no other is left.

        Args:
            node: its identity.
            host: its name.
            reason: why.
            need: what a run needs.
        """
        self.excluded[node] = f"{host}: {reason}"
        if not self.fits(need):
            raise GrowsearchError(f"no node of the cluster can run this: {'; '.join(self.excluded.values())}")

    def strike(self, node: str, host: str, reason: str, need: Need) -> None:
        """Note that a run failed at once on a node, and went on on another one.

        Args:
            node: its identity.
            host: its name.
            reason: of the failure.
            need: what a run needs.
        """
        self.strikes[node] += 1
        if self.strikes[node] >= _STRIKES and len(self.fits(need)) > 1:
            self.exclude(node, host, f"{_STRIKES} runs failed at once here and not elsewhere, the last: {reason}", need)


def _require_answer(address: str) -> None:
    """Raise `InputError` where nothing listens at an address: Ray itself would try for minutes."""
    host, colon, port = address.rpartition(":")
    if address.startswith("ray://") or not (host and colon and port.isdigit() and int(port) < 2**16):
        raise InputError(
            f"--address {address}: is no address of a Ray cluster (allowed: HOST:PORT as `ray start` prints it, auto): "
            "start the command on a node of the cluster, which sees the run folder"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), _PATIENCE).close()
    except OSError as error:
        raise InputError(f"--address {address}: nothing answers there ({error.strerror or error}): {_HOW}") from error


@contextmanager
def connected(cluster: Cluster) -> Generator[Connection]:
    """Be a driver of a cluster, which ends what still runs for it when it leaves.

    Raises `InputError` where Ray is not installed, or the cluster does not answer.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # what a run is about is its user's affair
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    # Nodes have an environment of their own: under `uv run` Ray would have them build the driver's from a copy first.
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    try:
        import ray
    except ImportError as error:
        raise InputError(f"--executor ray needs the package ray: {command_for_extra('cluster')}") from error
    if ray.is_initialized():  # by the caller, whose affair it stays
        yield Connection(ray)
        return
    address = cluster.address or os.environ.get("RAY_ADDRESS")
    if address not in (None, "auto", "local"):
        _require_answer(address)
    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        words = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(f"--address {address or 'of this machine'}: {words}: {_HOW}") from error
    try:
        yield Connection(ray)
    finally:
        ray.shutdown()
