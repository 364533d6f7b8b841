"""A project with channels behind gunicorn, and an HTTP client that posts events as API Gateway does."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def gunicorn(
    port: int,
    log: Path,
    *,
    workers: int = 2,
    settings: str = "tests.support.served_settings",
    **environment: str,
) -> Iterator[subprocess.Popen[bytes]]:
    """Serve a project on the database of the environment; the process is the arbiter."""
    command = [sys.executable, "-m", "gunicorn", f"{settings}:application"]
    options = f"--worker-class gthread --threads 4 --workers {workers} --bind 127.0.0.1:{port} --backlog 2048"
    environment = {**os.environ, **environment, "DJANGO_SETTINGS_MODULE": settings}
    with log.open("wb") as output:
        arbiter = subprocess.Popen(
            [*command, *options.split()], cwd=ROOT, env=environment, stdout=output, stderr=output
        )
    try:
        _wait_until_it_answers(port)
        yield arbiter
    finally:
        arbiter.terminate()
        arbiter.wait(timeout=60)


def free_port() -> int:
    """A port that no process listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_it_answers(port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with closing(Door(port)) as door:
                door.post("/nothing", b"", {})
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError(f"gunicorn does not answer on port {port}")


class Door:
    """One keep-alive connection to the project."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Post an event: the status and the body of the response. Once more if the connection was closed."""
        for attempt in range(2):
            try:
                self._connection.request("POST", path, body, dict(headers))
                response = self._connection.getresponse()
                return response.status, response.read()
            except (http.client.HTTPException, ConnectionError):
                self._connection.close()
                if attempt:
                    raise
        raise AssertionError

    def frame(self, path: str, frame: Any, headers: Mapping[str, str]) -> tuple[int, Any]:
        """Post a frame: the status and the parsed answer."""
        status, body = self.post(path, json.dumps(frame).encode(), headers)
        return status, json.loads(body) if body[:1] == b"{" else None
