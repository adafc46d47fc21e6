"""Optuna's dashboard on the storage of a search, served to browsers."""

from __future__ import annotations

from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from optuna.storages import BaseStorage

from growsearch.errors import InputError
from growsearch.installing import command_for_extra


class _Server(ThreadingMixIn, WSGIServer):
    """Answers requests side by side; one that is still running does not hold up the end."""

    daemon_threads = True


class _Silent(WSGIRequestHandler):
    """A browser asks every few seconds: what it asks for is not worth a line."""

    def log_message(self, format: str, *args: Any) -> None:
        """Write nothing."""


def make_dashboard(storage: BaseStorage, host: str, port: int) -> WSGIServer:
    """A server of the dashboard that listens on `host` and `port` (0: any free one); `serve_forever` answers.

    It has neither encryption nor login, and lets whoever reaches it rename, annotate and delete studies. Raises
    `InputError` where optuna-dashboard is not installed or the address cannot be listened on.
    """
    try:
        from optuna_dashboard import wsgi
    except ImportError as error:
        raise InputError(f"the dashboard needs optuna-dashboard: {command_for_extra('dashboard')}") from error
    try:
        return make_server(host, port, wsgi(storage), server_class=_Server, handler_class=_Silent)
    except OSError as error:
        raise InputError(
            f"cannot listen on {host}:{port}: {error.strerror or error}: choose another --host or --port"
        ) from error
