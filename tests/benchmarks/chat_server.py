"""The project with Channels behind daphne, for comparisons over sockets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from django.db import connection

from tests.benchmarks.peers.environments import peer_python
from tests.benchmarks.processes import ROOT, server
from tests.support.served import free_port

SETTINGS = "tests.benchmarks.peers.chat"


class Chat(NamedTuple):
    """What a client needs."""

    url: str
    cookie: str
    process: subprocess.Popen[bytes]
    send: Callable[[str], None]
    """Send a text to the group, from the process that holds the database."""


@contextmanager
def chat_server() -> Iterator[Chat]:
    """One daphne on one core, Redis on loopback, and a process that sends to the group."""
    python = str(peer_python("channels"))
    prefix = f"websocket_gateway_benchmark_{os.getpid()}"
    own = {
        "DJANGO_SETTINGS_MODULE": SETTINGS,
        "WEBSOCKET_GATEWAY_TEST_NAME": f"{connection.settings_dict['NAME']}_chat",
        "CHANNELS_PREFIX": prefix,
    }
    with subprocess.Popen(
        [python, "-m", SETTINGS],
        cwd=ROOT,
        env={**os.environ, **own},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        told = _answer(holder)
        port = free_port()
        command = [
            python,
            "-m",
            "daphne",
            "--websocket_connect_timeout",
            "60",
            "-b",
            "127.0.0.1",
            "-p",
            str(port),
            f"{SETTINGS}_asgi:application",
        ]
        environment = own | {"WEBSOCKET_GATEWAY_TEST_NAME": told["name"]}
        try:
            with server(command, port=port, core=0, **environment) as process:
                yield Chat(
                    f"ws://127.0.0.1:{port}", told["cookie"], process, lambda text: _send(holder, text)
                )
        finally:
            assert holder.stdin is not None
            holder.stdin.close()
            holder.wait(timeout=60)


def _send(holder: subprocess.Popen[str], text: str) -> None:
    assert holder.stdin is not None
    holder.stdin.write(f"{text}\n")
    holder.stdin.flush()
    _answer(holder)


def _answer(holder: subprocess.Popen[str]) -> dict[str, Any]:
    assert holder.stdout is not None
    line = holder.stdout.readline()
    if not line:
        sys.exit(f"The process with Channels ended with status {holder.wait()}")
    answer: dict[str, Any] = json.loads(line)
    return answer
