"""A process sends, forks, and goes on sending in parent and children: with a real server that counts."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import sys
import sysconfig
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from django.db import connection

from tests.factories import WebSocketSessionFactory
from tests.sink import Sink
from tests.support import forking
from tests.support.forking import CHILDREN, ROUNDS
from tests.support.rawsink import running_raw_sink
from websocket_gateway.models import ApiGateway, WebSocketSession

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="forks"),
]
EACH = 8
"""So many live sessions and as many gone ones in each channel: few enough for boto3."""
EXACT = {"delivered": EACH, "gone": EACH, "failed": 0}
CHANNELS = [f"process{number}-{turn}" for number in range(CHILDREN + 1) for turn in range(ROUNDS)]


class Audience:
    """Sessions that are live and sessions that are gone, in turns, in one channel for each broadcast."""

    def __init__(self, sink: Sink, gateway: ApiGateway) -> None:
        self._sink = sink
        self._gateway = gateway
        self._channel_of: dict[str, str] = {}
        for channel in CHANNELS:
            self.add(channel, live=EACH, gone=EACH)

    def add(self, channel: str, *, live: int, gone: int = 0) -> None:
        """More sessions in `channel`."""
        sessions = []
        for number in range(max(live, gone)):
            for kind, most in (("live", live), ("gone", gone)):
                if number < most:
                    name = f"{channel}-{kind}{number}="
                    self._channel_of[name] = channel
                    if kind == "gone":
                        self._sink.answers[name] = 410
                    sessions.append(
                        WebSocketSessionFactory.build(
                            api_gateway=self._gateway, connection_id=name, channel_name=channel
                        )
                    )
        WebSocketSession.objects.bulk_create(sessions)

    def check(self, *channels: str) -> None:
        """Every live session got its message once and is open; every gone one is ended."""
        wanted = {name: channel for name, channel in self._channel_of.items() if channel in channels}
        live = {name for name in wanted if "-live" in name}
        assert {name: [body.decode() for body in bodies] for name, bodies in self._sink.received.items()} == {
            name: [wanted[name]] for name in live
        }
        rows = dict(
            WebSocketSession.objects.filter(connection_id__in=wanted).values_list(
                "connection_id", "connected"
            )
        )
        assert rows == {name: name in live for name in wanted}


@pytest.fixture
def audience(sink: Sink, gateway: ApiGateway) -> Audience:
    return Audience(sink, gateway)


def figures(said: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What each report said, by channel."""
    return {line["channel"]: {name: line[name] for name in EXACT} for line in said if "channel" in line}


@pytest.mark.parametrize("how", ["multiprocessing", "in C"])
def test_parent_and_forked_children_that_send_at_once_do_not_mix_up_answers(
    how: str, sink: Sink, audience: Audience
) -> None:
    audience.add("warm", live=16)

    said = forking.run("forks", how)

    assert figures(said) == {"warm": {**EXACT, "delivered": 16, "gone": 0}, **dict.fromkeys(CHANNELS, EXACT)}
    assert len({line["pid"] for line in said}) == CHILDREN + 1
    audience.check("warm", *CHANNELS)


@pytest.mark.parametrize("engine", ["asyncio", "boto3"])
def test_either_engine_is_exact_after_a_fork(engine: str, sink: Sink, audience: Audience) -> None:
    audience.add("warm", live=16)

    said = forking.run("engines", engine)

    assert figures(said) == {"warm": {**EXACT, "delivered": 16, "gone": 0}, **dict.fromkeys(CHANNELS, EXACT)}
    audience.check("warm", *CHANNELS)


@pytest.fixture
def connections_survive_the_child() -> None:
    if connection.vendor == "mysql":
        pytest.skip("mysqlclient ends the database connections of the parent's threads in the child")


@pytest.mark.usefixtures("connections_survive_the_child")
@pytest.mark.parametrize("engine", ["asyncio", "boto3"])
def test_what_another_thread_sends_during_a_fork_belongs_to_the_parent(
    engine: str, sink: Sink, audience: Audience
) -> None:
    sink.delay_seconds = 0.02
    audience.add("warm", live=200, gone=150)

    said = forking.run("while_sending", engine)

    assert figures(said) == {
        "warm": {"delivered": 200, "gone": 150, "failed": 0},
        **dict.fromkeys(CHANNELS, EXACT),
    }
    audience.check("warm", *CHANNELS)


@pytest.mark.parametrize("first", ["call", "broadcast"])
@pytest.mark.parametrize("delay", [0, 0.05])
def test_a_fork_during_the_first_call_of_another_thread_leaves_a_child_that_can_call(
    first: str, delay: float, sink: Sink
) -> None:
    forking.run("during_the_first_call", first, str(delay))


@pytest.mark.parametrize("how", ["multiprocessing", "os.fork", "in C"])
def test_locks_that_a_thread_of_the_parent_holds_do_not_stop_the_child(
    how: str, sink: Sink, audience: Audience
) -> None:
    audience.add("warm", live=16)

    said = forking.run("with_every_lock_held", how)

    assert {"found": True} in said
    assert len(figures(said)) == 1 + 2 * ROUNDS


@pytest.mark.usefixtures("connections_survive_the_child")
@pytest.mark.parametrize("engine", ["asyncio", "boto3"])
def test_a_child_that_a_callback_forked_does_not_send_the_rest_again(
    engine: str, sink: Sink, audience: Audience
) -> None:
    sink.delay_seconds = 0.02
    audience.add("warm", live=200, gone=150)

    said = forking.run("in_a_callback", engine)

    assert [line["child"][:60] for line in said if "child" in line] == [
        "This process was forked by a callback while it was sending. "
    ]
    assert figures(said) == {"warm": {"delivered": 200, "gone": 150, "failed": 0}}
    audience.check("warm")


@pytest.mark.parametrize(("child", "connections"), [("sends", 2), ("only ends", 1)])
def test_a_child_that_ends_does_not_end_the_tls_sessions_of_its_parent(
    child: str, connections: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "ca.pem"))

    with running_raw_sink(tls=context) as server:
        forking.run("over_tls", server.endpoint.url, child)

    assert {name: len(bodies) for name, bodies in server.received.items()} == {
        "parent=": 2,
        **({"child=": 1} if child == "sends" else {}),
    }
    assert server.accepted == connections


@contextmanager
def serving(*command: str) -> Iterator[None]:
    """A WSGI server for the length of a `with` block."""
    process = subprocess.Popen(
        command, cwd=forking.ROOT, env=forking.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        yield
    finally:
        process.terminate()
        output, _ = process.communicate(timeout=30)
        print(output.decode())  # noqa: T201 - pytest shows it where the test fails


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def ask(port: int, channel: str) -> dict[str, Any]:
    deadline = time.monotonic() + 120
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/{channel}", timeout=120) as response:
                found: dict[str, Any] = json.load(response)
                return found
        except urllib.error.URLError as exc:
            if not isinstance(exc.reason, ConnectionRefusedError) or time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def check_workers(port: int, sink: Sink, audience: Audience) -> None:
    sink.delay_seconds = 0.01
    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(lambda channel: ask(port, channel), CHANNELS))
    assert figures(said) == dict.fromkeys(CHANNELS, EXACT)
    assert len({line["imported_by"] for line in said}) == 1
    assert len({line["pid"] for line in said} - {said[0]["imported_by"]}) > 1
    audience.check("warm", *CHANNELS)


def test_workers_of_gunicorn_preload_send_to_the_right_sockets(sink: Sink, audience: Audience) -> None:
    pytest.importorskip("gunicorn", reason="gunicorn is not installed: pip install gunicorn")
    audience.add("warm", live=16)
    port = free_port()
    command = f"-m gunicorn tests.support.preloaded:application --preload --workers 4 --bind 127.0.0.1:{port}"

    with serving(sys.executable, *command.split()):
        check_workers(port, sink, audience)


@pytest.mark.parametrize("hooks", [[], ["--py-call-uwsgi-fork-hooks"]], ids=["default", "hooks"])
def test_workers_of_uwsgi_send_to_the_right_sockets(hooks: list[str], sink: Sink, audience: Audience) -> None:
    uwsgi = Path(sysconfig.get_path("scripts"), "uwsgi")
    if not uwsgi.exists():
        pytest.skip("uwsgi is not installed: pip install pyuwsgi")
    audience.add("warm", live=16)
    port = free_port()
    command = f"--http-socket 127.0.0.1:{port} --module tests.support.preloaded --master --processes 4"

    with serving(str(uwsgi), *command.split(), *hooks, "--enable-threads", "--need-app", "--die-on-term"):
        check_workers(port, sink, audience)
