"""Where a study is kept: a journal file, PostgreSQL, or PostgreSQL behind Optuna's gRPC proxy."""

from __future__ import annotations

import socket
import warnings
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from optuna.exceptions import ExperimentalWarning
from optuna.storages import BaseStorage, GrpcStorageProxy, RDBStorage, get_storage, run_grpc_proxy_server

from growsearch.errors import InputError
from growsearch.installing import command_for_extra
from growsearch.search.journal import KINDS, open_journal
from growsearch.search.patience import in_a_line, make_patient

_PROXY_PORT = 13000
_GREETING = 10.0  # seconds that a proxy has to answer
_THREADS = 10  # of a proxy


def open_storage(url: str, connections: int = 2) -> BaseStorage:
    """The storage of a study; a path is a journal file, made where there is none.

    A database that is away for a while is waited for. A worker needs two connections: for its trial and its lease.
    Raises `InputError` where the storage cannot be opened.
    """
    scheme, separator, _ = url.partition("://")
    if not separator:
        return open_journal(url)
    if scheme in ("postgresql", "postgres"):
        return make_patient(_open_postgres(url, connections), shown(url))
    if scheme == "grpc":
        return make_patient(_open_proxy(url), shown(url))
    raise InputError(f"storage {shown(url)}: unknown scheme {scheme!r} (allowed: {KINDS})")


def shown(url: str) -> str:
    """A storage as it may be printed and written down: without its password."""
    scheme, separator, rest = url.partition("://")
    credentials, at, address = rest.rpartition("@")
    return f"{scheme}://{credentials.partition(':')[0]}{at}{address}" if separator and at else url


def _open_postgres(url: str, connections: int) -> BaseStorage:
    try:
        import psycopg  # noqa: F401
    except ImportError as error:
        raise InputError(f"storage {shown(url)}: needs psycopg: {command_for_extra('postgres')}") from error
    _, _, address = url.partition("://")
    pool = {"pool_pre_ping": True, "pool_size": connections, "max_overflow": 0}
    try:
        database = RDBStorage(f"postgresql+psycopg://{address}", engine_kwargs=pool)
    except Exception as error:  # whatever SQLAlchemy, psycopg or Optuna's look at the tables raise
        raise InputError(
            f"storage {shown(url)}: cannot be opened: {in_a_line(error)} "
            "(a password is taken from the address, PGPASSWORD or ~/.pgpass)"
        ) from error
    storage = get_storage(database)
    weakref.finalize(storage, database.engine.dispose)
    return storage


def _open_proxy(url: str) -> BaseStorage:
    try:
        import grpc  # noqa: F401
    except ImportError as error:
        raise InputError(f"storage {url}: needs grpcio: {command_for_extra('proxy')}") from error
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "localhost", parts.port or _PROXY_PORT
    except ValueError as error:
        raise InputError(f"storage {url}: {error} (allowed: {KINDS})") from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        proxy = GrpcStorageProxy(host=host, port=port)
    try:
        proxy.wait_server_ready(_GREETING)
    except ConnectionError as error:
        raise InputError(
            f"storage {url}: no proxy answers there (start one: growsearch proxy --storage postgresql://...)"
        ) from error
    return proxy


def serve_proxy(url: str, host: str, port: int, ready: Callable[[], None]) -> None:
    """Be Optuna's gRPC proxy of a database until the process is ended; `ready` is called when it is about to listen.

    Raises `InputError` where the storage is none that can be shared so, or the address cannot be listened on.

    Args:
        url: of the database.
        host: that is listened on.
        port: that is listened on.
        ready: called once it listens.
    """
    if not url.startswith(("postgresql://", "postgres://")):
        raise InputError(f"storage {shown(url)}: a proxy stands before a database (allowed: postgresql://...)")
    try:
        import grpc  # noqa: F401
    except ImportError as error:
        raise InputError(f"a proxy needs grpcio: {command_for_extra('proxy')}") from error
    _require_free(host, port)
    storage = open_storage(url, _THREADS)
    ready()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        try:
            run_grpc_proxy_server(storage, host=host, port=port, thread_pool=ThreadPoolExecutor(_THREADS))
        except RuntimeError as error:
            raise InputError(f"{host}:{port} cannot be listened on: choose another --host or --port") from error


def _require_free(host: str, port: int) -> None:
    """See that nobody listens there: gRPC itself would share a port with another proxy and say nothing."""
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return
    raise InputError(f"{host}:{port} cannot be listened on: another program does: choose another --port")
