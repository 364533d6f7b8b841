"""Servers of the attacked site: one in the process of the tests, or gunicorn and uvicorn in their own.

`WEBSOCKET_GATEWAY_TEST_SERVERS=gunicorn,uvicorn` selects those; `.ci/run` does so.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from django.core.handlers.wsgi import WSGIHandler
from django.core.servers.basehttp import ThreadedWSGIServer
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, connections
from django.test.testcases import QuietWSGIRequestHandler

from tests.support.forking import ROOT, environment
from tests.support.rawhttp import RawRequest, exchange

IN_PROCESS = "in process"
SERVERS = os.environ.get("WEBSOCKET_GATEWAY_TEST_SERVERS", IN_PROCESS).split(",")
NEEDS_COMMITS = SERVERS != [IN_PROCESS]
"""Whether the server is another process, which sees only what is committed."""

COMMANDS = {
    "gunicorn": "gunicorn django.core.wsgi:get_wsgi_application() --threads 8 --bind 127.0.0.1:{port}",
    "uvicorn": "uvicorn django.core.asgi:get_asgi_application --factory --lifespan off --port {port}",
}


class _Server(ThreadedWSGIServer):
    """Its threads use the connection of the test, so that what it wrote and has not committed is seen."""

    daemon_threads = True

    def _close_connections(self) -> None:
        """The connection is the test's."""


@contextmanager
def serving(name: str, log: Path) -> Iterator[int]:
    """A server for the length of the block; its port."""
    with _in_process() if name == IN_PROCESS else _process(name, log) as port:
        yield port


@contextmanager
def _in_process() -> Iterator[int]:
    connection = connections["default"]
    connection.inc_thread_sharing()
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    server = _Server(("127.0.0.1", 0), QuietWSGIRequestHandler, connections_override={"default": connection})
    server.set_app(WSGIHandler())
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        for signal in signals:
            signal.connect(close_old_connections)
        connection.dec_thread_sharing()


@contextmanager
def _process(name: str, log: Path) -> Iterator[int]:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = COMMANDS[name].format(port=port).split()
    settings = {"DJANGO_SETTINGS_MODULE": "tests.security.settings"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=ROOT,
            env={**environment(), **settings},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait(port, process, log)
        yield port
    finally:
        process.terminate()
        process.wait(30)


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError):
            if exchange(port, RawRequest(b"/", ((b"Host", b"testserver"),), method=b"GET")).status:
                return
        time.sleep(0.05)
    raise AssertionError(log.read_text())
