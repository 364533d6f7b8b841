"""Runs the sample project's own commands, as one would in a shell."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import boto3
import pytest

from tests.support.untraced import untraced

MANAGE = Path(__file__).resolve().parents[2] / "sample_project" / "manage.py"
PEOPLE = {"ada": "engine-1843", "grace": "cobol-1959"}
ANY_PORTS = ("--port", "0", "--gateway-port", "0")
ADDRESS = re.compile(r"^The chat is at (http://\S+)/$", re.MULTILINE)
LAST_LINE = "Ctrl-C stops it."


def environment(database: Path, **more: str) -> dict[str, str]:
    """A fresh database, and neither the test suite's settings nor its keys; and `more`."""
    return (
        {
            name: value
            for name, value in untraced().items()
            if not name.startswith(("AWS_", "DJANGO_", "SAMPLE_"))
        }
        | {"SAMPLE_DATABASE": str(database), "PYTHONUNBUFFERED": "1"}
        | more
    )


def manage(*words: str, database: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, str(MANAGE), *words],
        env=environment(database, **more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )


def migrate(database: Path) -> None:
    """Make the tables and the demo users."""
    done = manage("migrate", "--verbosity", "0", database=database)
    assert done.returncode == 0, done.stdout + done.stderr


def start_demo(database: Path) -> subprocess.Popen[str]:
    """Start the demo on free ports."""
    return subprocess.Popen(
        [sys.executable, str(MANAGE), "demo", *ANY_PORTS],
        env=environment(database),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for_chat(demo: subprocess.Popen[str]) -> tuple[str, str]:
    """The address of the chat and all that was printed, once it is served."""
    assert demo.stdout is not None
    printed = ""
    for line in demo.stdout:
        printed += line
        if line.rstrip() == LAST_LINE and (found := ADDRESS.search(printed)):
            return found[1], printed
    return pytest.fail(f"the demo ended:\n{printed}")


class Chat(NamedTuple):
    """A chat that is being served."""

    address: str
    database: Path

    def cut_every_socket(self) -> int:
        """Close them as the service does after two hours; returns how many there were."""
        with closing(sqlite3.connect(self.database)) as connection:
            rows = connection.execute(
                "SELECT connection_id, api_endpoint, gateway.stage_name"
                " FROM websocket_gateway_websocketsession JOIN websocket_gateway_apigateway AS gateway"
                " ON gateway.id = api_gateway_id WHERE connected"
            ).fetchall()
        for connection_id, api_endpoint, stage_name in rows:
            client = boto3.client(
                "apigatewaymanagementapi",
                endpoint_url=f"http{api_endpoint.removeprefix('ws')}/{stage_name}",
                region_name="eu-west-1",
            )
            client.delete_connection(ConnectionId=connection_id)
            client.close()
        return len(rows)


@contextmanager
def running_chat(database: Path) -> Iterator[Chat]:
    """The chat for the length of a `with` block."""
    migrate(database)
    with start_demo(database) as demo:
        try:
            yield Chat(wait_for_chat(demo)[0], database)
        finally:
            demo.terminate()
            demo.communicate(timeout=30)
