"""Runs management commands in processes that can be killed, without paying for a new interpreter each.

One child imports Django and boto3 once and then forks for every command. It has no threads, so
forking is safe there, as it would not be in the test process.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.db import connection

SIGKILLED = -9


class Commands:
    """The parent's end: start a command, learn its pid, wait for its status."""

    def __init__(self, directory: Path, endpoint_url: str) -> None:
        self._output = directory / "output"
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(self._output), endpoint_url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "WEBSOCKET_GATEWAY_TEST_NAME": str(connection.settings_dict["NAME"])},
        )

    def start(self, *argv: str) -> int:
        """Begin `manage.py ARGV`; answers its pid."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(argv) + "\n")
        self._process.stdin.flush()
        return int(self._answer()["pid"])

    def wait(self) -> tuple[int, str]:
        """The exit status (negative: the signal that ended it) and everything it printed."""
        return int(self._answer()["status"]), self._output.read_text()

    def run(self, *argv: str) -> tuple[int, str]:
        """Start and wait."""
        self.start(*argv)
        return self.wait()

    def close(self) -> None:
        """End the child."""
        self._process.communicate()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


@contextlib.contextmanager
def commands(directory: Path, *, endpoint_url: str) -> Iterator[Commands]:
    """`Commands` whose `ENDPOINT_URL` is the given one, for the length of a `with` block."""
    running = Commands(directory, endpoint_url)
    try:
        yield running
    finally:
        running.close()


def _serve(output: str, endpoint_url: str) -> None:
    import django
    from django.conf import settings

    settings.WEBSOCKET_GATEWAY = {"ENDPOINT_URL": endpoint_url}
    django.setup()
    from tests.support.service_models import read_once
    from websocket_gateway.aws.clients import certificates_client, control_plane_client, dns_client

    # The costly part, done before the first fork; it opens no socket. A child makes its own clients of it.
    read_once()
    for client in (control_plane_client, certificates_client, dns_client):
        client("eu-west-1")
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _run(json.loads(line), output)
        _answer(pid=pid)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        _answer(status=status)


def _answer(**values: int) -> None:
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


def _run(argv: list[str], output: str) -> None:
    from django.core.management import execute_from_command_line

    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    status = 0
    try:
        execute_from_command_line(["manage.py", *argv])
    except SystemExit as exc:
        status = exc.code if isinstance(exc.code, int) else 1
    except BaseException:  # noqa: BLE001 - the outermost frame of the process
        sys.excepthook(*sys.exc_info())
        status = 70
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    _serve(*sys.argv[1:])
