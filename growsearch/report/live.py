"""A page that shows a run folder while it runs, served to this machine only: curves, growth, sizes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from growsearch.errors import InputError
from growsearch.report.curves import rounded, thinned
from growsearch.report.markup import chart, menu
from growsearch.report.skeleton import PageSection, page
from growsearch.runs.event_words import event_words
from growsearch.runs.files import to_json
from growsearch.runs.live import STATES, LiveTraining, live_run

HOST = "127.0.0.1"
MOST = 24  # trainings that are shown, those that wrote last
_POINTS = 200  # of a curve
_ROW = ("train_loss", "parameters", "lr")


def live_state(folder: Path) -> dict[str, Any]:
    """Return what the page shows, as JSON has it; `InputError` where the folder is none of a run."""
    run = live_run(folder, MOST)
    return {
        "name": folder.resolve().name,
        "command": run.holder.command if run.holder else None,
        "counts": {state: run.count(state) for state in STATES if run.count(state)},
        "trainings": [_plain(one) for one in run.trainings],
    }


def live_page(folder: Path) -> str:
    """Return the page; it asks for `state.json` beside it every two seconds."""
    sections = [
        PageSection("state", "Now", '<p id="now" role="status" aria-live="polite"></p>'),
        PageSection(
            "learning",
            "Learning curves",
            menu("metric", "Show", (), None)
            + chart(
                "live-curves",
                "A metric over training steps",
                "A line a training, in the colour of its policy or trial; upright ticks are growth events.",
            ),
        ),
        PageSection(
            "sizes",
            "Growth",
            chart("live-sizes", "Parameters over training steps", "Parameters of every training.")
            + menu("training", "Network of", (), None)
            + '<div id="live-network" class="drawing"></div><ol id="live-events"></ol>',
        ),
    ]
    name = folder.resolve().name
    return page(name, "A run as it runs; this page changes nothing.", sections, {}, ("live.js",), live=True)


def make_live_server(folder: Path, port: int) -> ThreadingHTTPServer:
    """Return a server of the page on 127.0.0.1 (port 0: any free one); `serve_forever` answers.

    It answers to this machine's own names only and reads nothing but the run folder. Raises `InputError` where the
    folder is none of a run, or the port cannot be listened on.
    """
    live_run(folder, 1)
    answers = {
        "/": ("text/html; charset=utf-8", partial(live_page, folder)),
        "/state.json": ("application/json", lambda: to_json(live_state(folder))),
    }
    try:
        server = ThreadingHTTPServer((HOST, port), type("Handler", (_Handler,), {"answers": answers}))
    except OSError as error:
        raise InputError(f"cannot listen on {HOST}:{port}: {error.strerror or error}: choose another --port") from error
    server.daemon_threads = True
    return server


class _Handler(BaseHTTPRequestHandler):
    """Answers two paths, and only to a browser that asked this machine by its own name."""

    answers: dict[str, tuple[str, Callable[[], str]]]

    def do_GET(self) -> None:
        """Send the page or the state."""
        assert isinstance(self.server, ThreadingHTTPServer)
        port = self.server.server_port
        if self.headers.get("Host") not in (f"{HOST}:{port}", f"localhost:{port}"):  # a page of another site asks
            self.send_error(403)
            return
        if self.path not in self.answers:
            self.send_error(404)
            return
        kind, answer = self.answers[self.path]
        body = answer().encode()
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Write nothing: a browser asks every two seconds."""


def _plain(one: LiveTraining) -> dict[str, Any]:
    rows = thinned(list(one.rows), _POINTS)
    metrics = dict.fromkeys(name for row in rows for name in row.metrics)
    values = {name: [row.value(name) for row in rows] for name in (*metrics, *_ROW)}
    return {
        "name": one.name,
        "arm": one.arm,
        "state": one.state,
        "step": [row.step for row in rows],
        "metrics": {
            name: [None if value is None else rounded(value) for value in found] for name, found in values.items()
        },
        "events": [{"step": line.step, "words": event_words(line)} for line in one.events],
        "grown": [line.step for line in one.events if not line.refused],
        "before": dict(one.events[0].widths_before) if one.events else {},
        "widths": one.widths,
    }
