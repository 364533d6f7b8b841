"""Pools of connections: Django's own of psycopg, and pgbouncer in transaction mode."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.contrib.auth.models import User
from django.db import connection, connections

from tests.factories import WebSocketSessionFactory
from tests.sink import Sink
from tests.support.databases import needs_postgresql
from websocket_gateway.forking import PerProcess
from websocket_gateway.models import ApiGateway, WebSocketSession
from websocket_gateway.sending import abroadcast, broadcasting, paging, send

pytestmark = [pytest.mark.django_db(transaction=True), needs_postgresql]

BOUNCER = shutil.which("pgbouncer")


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A pool of four connections, from which a fifth is waited for 20 seconds."""
    settings: dict[str, Any] = connection.settings_dict
    connections.close_all()
    monkeypatch.setitem(
        settings, "OPTIONS", {**settings["OPTIONS"], "pool": {"min_size": 0, "max_size": 4, "timeout": 20}}
    )
    monkeypatch.setattr(broadcasting, "_threads", PerProcess(broadcasting._make_threads))
    yield
    connections.close_all()
    connection.close_pool()  # type: ignore[attr-defined]


@pytest.mark.skipif(not find_spec("psycopg_pool"), reason="psycopg has no pool here")
@pytest.mark.parametrize("requests", [True, False], ids=["requests", "tasks"])
@pytest.mark.usefixtures("pool")
def test_six_broadcasts_at_once_share_four_connections(sink: Sink, requests: bool) -> None:
    gateway = sink.gateway()
    for number in range(3):
        WebSocketSessionFactory.create(api_gateway=gateway, connection_id=f"c{number}=")
    connections.close_all()
    sink.delay_seconds = 0.2

    async def view() -> int:
        await sync_to_async(User.objects.count)()  # as a view that knows its user
        return (await abroadcast({}, channel="lobby")).delivered

    async def request() -> int:
        if not requests:
            return await view()
        async with ThreadSensitiveContext():
            try:
                return await view()
            finally:
                await sync_to_async(connections.close_all)()

    async def all_at_once() -> list[int]:
        done = await asyncio.gather(*(request() for _ in range(6)))
        await sync_to_async(connections.close_all)()
        return done

    assert asyncio.run(all_at_once()) == [3] * 6


@pytest.fixture
def bouncer(tmp_path: Path) -> Iterator[int]:
    """The port of a pgbouncer that gives each transaction another connection."""
    settings = connection.settings_dict
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    (tmp_path / "users").write_text(f'"{settings["USER"]}" "{settings["PASSWORD"]}"\n')
    (tmp_path / "ini").write_text(
        "[databases]\n* = host=127.0.0.1 port=5432\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
        f"listen_port = {port}\n"
        f"auth_type = plain\nauth_file = {tmp_path}/users\npool_mode = transaction\nunix_socket_dir =\n"
        "server_round_robin = 1\nmin_pool_size = 3\nignore_startup_parameters = extra_float_digits\n"
    )
    tmp_path.chmod(0o755)
    command = [str(BOUNCER), "-u", "nobody", str(tmp_path / "ini")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        until = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                assert running.poll() is None
                assert time.monotonic() < until
                time.sleep(0.05)
        yield port
        running.terminate()


@pytest.mark.skipif(BOUNCER is None, reason="there is no pgbouncer on this machine")
def test_every_query_is_sent_to_through_pgbouncer_in_transaction_mode(
    sink: Sink, gateway: ApiGateway, bouncer: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "PAGE_SIZE", 10)
    for number in range(1_300):
        WebSocketSessionFactory.create(api_gateway=gateway, connection_id=f"c{number}=")
    connection.close()
    monkeypatch.setitem(connection.settings_dict, "PORT", str(bouncer))
    rows = WebSocketSession.objects.order_by("pk")

    reports = [
        send({}, to=rows[:1_200]),
        send({}, to=rows.filter(pk__gt=0).order_by().union(rows.order_by())),
    ]

    connection.close()
    assert [report.delivered for report in reports] == [1_200, 1_300]


def test_no_cursor_stays_on_the_server(
    sink: Sink, gateway: ApiGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        WebSocketSessionFactory.create(api_gateway=gateway, connection_id=f"c{number}=")
    rows = WebSocketSession.objects.order_by("pk")
    monkeypatch.setattr(connection, "chunked_cursor", None)

    assert send({}, to=rows[:3]).delivered == 3
    assert send({}, to=rows.order_by().union(rows.order_by())).delivered == 5
