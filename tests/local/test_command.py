"""`run_local_gateway` as a process of its own: start, signals, restart, one-line errors."""

from __future__ import annotations

import os
import signal
import socket as sockets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from websockets.exceptions import ConnectionClosed

from tests.local.backend import Backend, Reply
from tests.local.conftest import World, client
from websocket_gateway.testing.gateway import GatewayHandle


class Process:
    """A running command; stands in for a gateway handle where only the address matters."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        self.child = child
        assert child.stdout is not None
        self.line = child.stdout.readline()
        self.endpoint_url = self.line.split()[3]


@contextmanager
def running(*arguments: str) -> Iterator[Process]:
    """The command on a free port."""
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "django", "run_local_gateway", "--port=0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
    ) as child:
        try:
            yield Process(child)
        finally:
            child.kill()


def world_of(process: Process, backend: Backend) -> World:
    world = World.__new__(World)
    world.backend = backend
    world.control = client("apigatewayv2", process.endpoint_url)
    return world


def test_it_says_where_it_is_and_what_to_put_in_the_settings() -> None:
    with running() as process:
        assert process.line == (
            f"Local gateway at {process.endpoint_url} (for development, not for production). Settings: "
            f'WEBSOCKET_GATEWAY = {{"ENDPOINT_URL": "{process.endpoint_url}"}}. Ctrl-C stops it.\n'
        )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_fires_disconnect_and_ends_cleanly(backend: Backend, number: signal.Signals) -> None:
    with running() as process:
        world = world_of(process, backend)
        world.serve()
        with world.connect() as socket:
            process.child.send_signal(number)
            with pytest.raises(ConnectionClosed):
                socket.recv(timeout=5)
        _, errors = process.child.communicate(timeout=10)

    assert process.child.returncode == 0
    assert len(backend.at("/disconnect")) == 1
    assert "Traceback" not in errors
    assert " connected" in errors


def test_a_killed_gateway_starts_again_where_it_was(backend: Backend, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    with running(f"--state={state}") as process:
        world = world_of(process, backend)
        world.serve()
        api_id = world.api_id
        process.child.send_signal(signal.SIGKILL)
        process.child.wait()

    with running(f"--state={state}", "--verbosity=0") as process:
        world = world_of(process, backend)
        world.api_endpoint = world.control.get_api(ApiId=api_id)["ApiEndpoint"]
        with world.connect() as socket:
            socket.send("hello")
            assert socket.recv(timeout=5) == "hello"
        process.child.send_signal(signal.SIGINT)
        _, errors = process.child.communicate(timeout=10)
    assert errors == ""


def test_a_port_in_use_is_one_line() -> None:
    with sockets.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(
            CommandError,
            match=f"^Port {port} on 127.0.0.1 cannot be used: .*--port, .*ENDPOINT_URL.* to it.$",
        ):
            call_command("run_local_gateway", f"--port={port}")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["--host=0.0.0.0"], "loopback only", id="not loopback"),
        pytest.param(["--quirk=nope"], "Unknown quirk", id="unknown quirk"),
        pytest.param(["--state=/nowhere/at/all.json"], "does not exist", id="no directory for the state"),
        pytest.param(["--port=70000"], "is not a port", id="port too high"),
        pytest.param(["--idle-timeout=0"], "more than 0", id="no idle time"),
        pytest.param(["--throttle-posts=2"], "is not a share", id="share above 1"),
        pytest.param(["--delay-posts=x"], "not a number of seconds", id="no number"),
    ],
)
def test_arguments_that_cannot_work_are_one_line(arguments: list[str], message: str) -> None:
    with pytest.raises(CommandError, match=message) as caught:
        call_command("run_local_gateway", *arguments)

    assert "\n" not in str(caught.value)


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("websocket_gateway.local.")]:
        if name.rpartition(".")[2] in ("gateway", "server", "protocol"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "uvicorn", None)

    with pytest.raises(CommandError, match=r"needs uvicorn: pip install 'django-websocket-gateway\[local\]'"):
        call_command("run_local_gateway", "--port=0")


def test_faults_of_the_command_line(backend: Backend) -> None:
    with running("--throttle-posts=1", "--deployment-seconds=0.2", "--max-duration=1") as process:
        world = world_of(process, backend)
        world.serve()
        deployments = {"ApiId": world.api_id}
        [made] = world.control.get_deployments(**deployments)["Items"]
        assert made["DeploymentStatus"] == "PENDING"
        deadline = time.monotonic() + 5
        while world.control.get_deployments(**deployments)["Items"][0]["DeploymentStatus"] == "PENDING":
            assert time.monotonic() < deadline
        with pytest.raises(world.control.exceptions.ClientError, match="429|LimitExceeded"):
            world.management().get_connection(ConnectionId="AAAAAAAAAAAAAAA=")


def test_the_handle_has_what_the_documentation_promises() -> None:
    promised = {"endpoint_url", "port", "faults", "requests", "connections", "cut", "wait_until"}

    assert promised <= set(dir(GatewayHandle))


def test_a_second_ctrl_c_does_not_wait_for_disconnects(backend: Backend) -> None:
    backend.answer = lambda request: Reply(delay=4.0 if request.target == "/disconnect" else 0)
    with running() as process:
        world = world_of(process, backend)
        world.serve()
        with world.connect() as socket:
            process.child.send_signal(signal.SIGINT)
            with pytest.raises(ConnectionClosed):
                socket.recv(timeout=5)
            started = time.monotonic()
            process.child.send_signal(signal.SIGINT)
            _, errors = process.child.communicate(timeout=10)

    assert process.child.returncode == 1
    assert time.monotonic() - started < 3
    assert "Stopped at once" in errors
    assert "Traceback" not in errors
