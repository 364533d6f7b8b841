"""A small real HTTP server that stands where `@connections` would be, and keeps what it was sent."""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

import pytest

from tests.factories import ApiGatewayFactory
from websocket_gateway.models import ApiGateway

# What the service calls its answers.
NAMES = {
    400: "BadRequestException",
    403: "ForbiddenException",
    410: "GoneException",
    413: "PayloadTooLargeException",
    429: "LimitExceededException",
}


class _Server(ThreadingHTTPServer):
    request_queue_size = 1024

    def handle_error(self, *args: Any) -> None:
        """Say nothing of clients that have left."""


class Sink:
    """Answers 200 unless `answers` holds something else for a connection id.

    An answer is a status, a list of them for one attempt after the other (the last one stays),
    or `"drop"` for a connection closed without any answer.
    """

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.received: dict[str, list[bytes]] = defaultdict(list)
        self.requests: list[tuple[str, str]] = []
        self.on_request: Callable[[str], None] = lambda connection_id: None
        self.delay_seconds = 0.0
        self.named_errors = True
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def gateway(self, **fields: Any) -> ApiGateway:
        """A gateway whose connections are here."""
        gateway: ApiGateway = ApiGatewayFactory.build(**fields)
        gateway.api_endpoint = f"ws://127.0.0.1:{self.port}/_api/{gateway.api_id}"
        gateway.save()
        return gateway

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, bytes] | None:
        """What to answer; `None` closes the connection."""
        connection_id = unquote(path.rpartition("/@connections/")[2])
        self.on_request(connection_id)
        time.sleep(self.delay_seconds)
        with self._lock:
            self.requests.append((method, path))
            status = self.answers.get(connection_id, 200)
            if isinstance(status, list):
                status = status.pop(0) if len(status) > 1 else status[0]
            if status == "drop":
                return None
            if status == 200 and method == "POST":
                self.received[connection_id].append(body)
        if status == 200 and method == "GET":
            return 200, json.dumps(CONNECTION).encode()
        return status, b"" if status == 200 else json.dumps({"message": f"about {connection_id}"}).encode()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        sink = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                answer = sink.answer(self.command, self.path, body)
                if answer is None:
                    self.close_connection = True
                    return
                status, text = answer
                self.send_response(status)
                if status in NAMES and sink.named_errors:
                    self.send_header("x-amzn-ErrorType", NAMES[status])
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_DELETE = handle_any  # noqa: N815 - http.server's names

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        return Handler

    def __enter__(self) -> Sink:
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


CONNECTION = {
    "connectedAt": "2026-01-02T03:04:05Z",
    "lastActiveAt": "2026-01-02T03:05:06Z",
    "identity": {"sourceIp": "192.0.2.1", "userAgent": "test"},
}


@contextmanager
def running_sink() -> Iterator[Sink]:
    """A sink for the length of a `with` block."""
    with Sink() as sink:
        yield sink


@pytest.fixture(name="sink")
def sink_fixture() -> Iterator[Sink]:
    """A running sink."""
    with running_sink() as server:
        yield server


@pytest.fixture(name="gateway")
def gateway_fixture(sink: Sink) -> ApiGateway:
    """A gateway whose sockets the sink holds."""
    return sink.gateway()
