"""The async twins: the same reports, an event loop that goes on, no connection left open."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from asgiref.sync import ThreadSensitiveContext, async_to_sync, sync_to_async
from django.db import connections, transaction

from tests.factories import WebSocketSessionFactory
from tests.sink import Sink
from websocket_gateway.exceptions import InvalidMessageError
from websocket_gateway.models import WebSocketSession
from websocket_gateway.sending import abroadcast, asend


@pytest.fixture
def lobby(sink: Sink) -> list[WebSocketSession]:
    gateway = sink.gateway()
    return [WebSocketSessionFactory.create(api_gateway=gateway) for _ in range(3)]


@pytest.mark.django_db(transaction=True)
def test_the_twins_send_what_the_others_send(sink: Sink, lobby: list[WebSocketSession]) -> None:
    async def everything() -> list[int]:
        reports = [
            await abroadcast({"n": 1}, channel="lobby"),
            await asend({"n": 2}, to=WebSocketSession.objects.filter(connected=True)),
            await WebSocketSession.objects.in_channel("lobby").asend_message({"n": 3}),
            await lobby[0].asend_message({"n": 4}),
        ]
        return [report.delivered for report in reports]

    assert async_to_sync(everything)() == [3, 3, 3, 1]
    assert sink.received[lobby[0].connection_id] == [
        b'{"n":1,"_ws":{"channel":"lobby"}}',
        b'{"n":2}',
        b'{"n":3,"_ws":{"channel":"lobby"}}',
        b'{"n":4}',
    ]


@pytest.mark.django_db(transaction=True)
def test_event_loop_and_database_go_on_while_a_slow_service_answers(
    sink: Sink, lobby: list[WebSocketSession]
) -> None:
    asked, released = threading.Event(), threading.Event()

    def hold(connection_id: str) -> None:
        asked.set()
        released.wait(60)

    sink.on_request = hold

    async def both() -> tuple[Any, int]:
        sending = asyncio.create_task(abroadcast({}, channel="lobby"))
        # The service answers only after this query: it would never be answered behind the sending.
        while not (asked.is_set() or sending.done()):
            await asyncio.sleep(0.01)
        number = await WebSocketSession.objects.acount()
        released.set()
        return await sending, number

    report, number = async_to_sync(both)()

    assert (report.delivered, number) == (3, 3)


@pytest.mark.django_db(transaction=True)
def test_the_thread_leaves_no_database_connection_open(sink: Sink, lobby: list[WebSocketSession]) -> None:
    opened: list[Any] = []

    def note(report: Any) -> None:
        wrapper = connections["default"]
        opened.append((wrapper, wrapper.connection is not None))

    async_to_sync(abroadcast)({}, channel="lobby", on_progress=note)

    assert opened
    assert all(was_open and wrapper.connection is None for wrapper, was_open in opened)


@pytest.mark.django_db
def test_inside_a_transaction_its_rows_are_seen(sink: Sink, lobby: list[WebSocketSession]) -> None:
    assert async_to_sync(abroadcast)({}, channel="lobby").delivered == 3


@pytest.mark.django_db(transaction=True)
def test_on_commit_waits_for_the_transaction_around_it(sink: Sink, lobby: list[WebSocketSession]) -> None:
    with transaction.atomic():
        report = async_to_sync(abroadcast)({}, channel="lobby", on_commit=True)
        assert not sink.received

    assert report.deferred
    assert len(sink.received) == 3


@pytest.mark.django_db(transaction=True)
def test_what_is_wrong_is_raised_where_it_is_awaited() -> None:
    with pytest.raises(InvalidMessageError):
        async_to_sync(abroadcast)({"_ws": 1}, everyone=True)


@pytest.mark.django_db(transaction=True)
def test_it_leaves_the_threads_of_the_event_loop_alone(sink: Sink, lobby: list[WebSocketSession]) -> None:
    asked, released = threading.Semaphore(0), threading.Event()

    def hold(connection_id: str) -> None:
        asked.release()
        released.wait(60)

    sink.on_request = hold

    async def all_at_once() -> list[int]:
        # One thread is enough for the application's own DNS look-ups, if no broadcast takes it.
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        sending = [asyncio.create_task(abroadcast({}, channel="lobby")) for _ in range(6)]
        while not asked.acquire(blocking=False):
            await asyncio.sleep(0.01)
        await loop.getaddrinfo("localhost", 80)
        released.set()
        return [report.delivered for report in await asyncio.gather(*sending)]

    assert asyncio.run(all_at_once()) == [3] * 6


@pytest.mark.django_db(transaction=True)
def test_a_request_under_asgi_sends_on_its_own_connection(lobby: list[WebSocketSession]) -> None:
    used: list[threading.Thread] = []

    async def view() -> None:
        mine = await sync_to_async(threading.current_thread)()
        await abroadcast(
            {}, channel="lobby", on_progress=lambda report: used.append(threading.current_thread())
        )
        assert set(used) == {mine}

    async def request() -> None:
        async with ThreadSensitiveContext():
            await view()
            await sync_to_async(connections.close_all)()

    asyncio.run(request())
    assert used
