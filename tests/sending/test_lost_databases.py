"""The database goes away in the middle of a broadcast: it goes on, or says how far it came."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import Error, connection, transaction

from tests.factories import WebSocketSessionFactory
from tests.sink import Sink
from tests.support.databases import Administrator, administrator_fixture, needs_a_server, unreachable
from websocket_gateway import concurrency, leases
from websocket_gateway.models import ApiGateway, WebSocketSession
from websocket_gateway.sending import (
    DeliveryInterruptedError,
    SendOptions,
    broadcast,
    create_run,
    paging,
    send,
    shards,
    work_until_finished,
)

__all__ = ["administrator_fixture"]

pytestmark = [pytest.mark.django_db(transaction=True), needs_a_server]

RECIPIENTS = 60


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    # Few posts at once: else the last page may have been read before the connection is cut.
    settings.WEBSOCKET_GATEWAY = {**getattr(settings, "WEBSOCKET_GATEWAY", {}), "SEND_CONCURRENCY": 4}
    monkeypatch.setattr(paging, "PAGE_SIZE", 10)
    monkeypatch.setattr(paging, "IN_LIST", 10)


@pytest.fixture
def sessions(gateway: ApiGateway) -> list[WebSocketSession]:
    return [
        WebSocketSessionFactory.create(api_gateway=gateway, connection_id=f"c{number}=")
        for number in range(RECIPIENTS)
    ]


def once_reached(sink: Sink, connection_id: str, work: Callable[[], Any]) -> None:
    """Do something once, before this connection gets its message; later posts wait until it is done."""
    lock, begun, done = threading.Lock(), threading.Event(), threading.Event()

    def on_request(asked: str) -> None:
        if asked == connection_id:
            with lock:
                if not done.is_set():
                    begun.set()
                    work()
                    done.set()
        elif begun.is_set():
            done.wait(30)

    sink.on_request = on_request


AUDIENCES = [
    pytest.param(lambda: broadcast({}, channel="lobby"), id="channel"),
    pytest.param(lambda: broadcast({}, everyone=True), id="everyone"),
    pytest.param(
        lambda: broadcast({}, connection_ids=[f"c{number}=" for number in range(RECIPIENTS)]),
        id="connections",
    ),
    pytest.param(lambda: send({}, to=WebSocketSession.objects.order_by("-pk")[:RECIPIENTS]), id="slice"),
    pytest.param(lambda: send({}, to=WebSocketSession.objects.filter(channel_name="lobby")), id="query"),
]


@pytest.mark.parametrize("start", AUDIENCES)
@pytest.mark.usefixtures("sessions")
def test_it_goes_on_between_two_pages(sink: Sink, administrator: Administrator, start: Any) -> None:
    once_reached(sink, "c5=", administrator.cut)

    report = start()

    assert administrator.cuts == 1
    assert (report.delivered, report.failed) == (RECIPIENTS, 0)
    assert len(sink.received) == RECIPIENTS
    assert all(len(frames) == 1 for frames in sink.received.values())


@pytest.mark.usefixtures("sessions")
def test_gone_sessions_are_marked_after_the_cut(sink: Sink, administrator: Administrator) -> None:
    for number in range(RECIPIENTS - 5, RECIPIENTS):
        sink.answers[f"c{number}="] = 410
    once_reached(sink, f"c{RECIPIENTS - 1}=", administrator.cut)

    report = broadcast({}, channel="lobby")

    assert report.gone == 5
    assert WebSocketSession.objects.filter(connected=False).count() == 5


def test_a_database_that_stays_away_leaves_the_report_and_the_place_to_continue(
    sink: Sink,
    administrator: Administrator,
    sessions: list[WebSocketSession],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(concurrency, "RECONNECT_SECONDS", 0.5)
    with ExitStack() as stack:

        def lose() -> None:
            stack.enter_context(unreachable())
            administrator.cut()

        once_reached(sink, "c5=", lose)
        with pytest.raises(DeliveryInterruptedError) as caught:
            broadcast({}, channel="lobby")

    report, last_key = caught.value.report, caught.value.last_key
    assert 10 <= report.delivered == len(sink.received) < RECIPIENTS
    assert isinstance(caught.value.__cause__, Error)
    assert "away or busy" in str(caught.value)

    rest = broadcast({}, channel="lobby", options=SendOptions(resume_after=last_key))

    assert report.delivered + rest.delivered == RECIPIENTS
    assert {len(frames) for frames in sink.received.values()} == {1}


def test_the_command_prints_report_exit_status_and_how_to_continue(
    sink: Sink,
    administrator: Administrator,
    sessions: list[WebSocketSession],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(concurrency, "RECONNECT_SECONDS", 0.5)
    out = io.StringIO()
    with ExitStack() as stack:

        def lose() -> None:
            stack.enter_context(unreachable())
            administrator.cut()

        once_reached(sink, "c5=", lose)
        with pytest.raises(CommandError) as caught:
            call_command("broadcast", "lobby", "{}", stdout=out, no_color=True)

    assert caught.value.returncode == 3
    words, _, key = str(caught.value).rpartition("--resume-after ")
    assert words.endswith("Continue with the same command and: ")
    assert out.getvalue().startswith(
        f"Sent to channel 'lobby': {len(sink.received)} of {len(sink.received)} "
    )

    call_command("broadcast", "lobby", "{}", "--resume-after", key, stdout=out, no_color=True)

    assert len(sink.received) == RECIPIENTS
    assert {len(frames) for frames in sink.received.values()} == {1}


@pytest.mark.usefixtures("sessions")
def test_before_the_first_post_the_error_is_that_of_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(concurrency, "RECONNECT_SECONDS", 0.2)
    connection.close()
    with unreachable(), pytest.raises(Error):
        broadcast({}, channel="lobby")


@pytest.mark.usefixtures("sessions")
def test_a_transaction_that_is_lost_is_not_repeated(sink: Sink, administrator: Administrator) -> None:
    once_reached(sink, "c5=", administrator.cut)

    with pytest.raises(DeliveryInterruptedError) as caught, transaction.atomic():
        broadcast({}, channel="lobby")

    connection.close()
    assert 10 <= caught.value.report.delivered == len(sink.received) < RECIPIENTS


def test_an_enqueued_broadcast_goes_on_and_renews_its_lease(
    sink: Sink,
    administrator: Administrator,
    sessions: list[WebSocketSession],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(leases, "RENEW_SECONDS", 0.05)
    monkeypatch.setattr(shards, "DEADLINE_SECONDS", 20)
    sink.delay_seconds = 0.05
    run = create_run(b"{}", channel="lobby")
    once_reached(sink, "c25=", administrator.cut)

    summary = work_until_finished(run.pk)

    assert administrator.cuts == 1
    assert summary.run.state == "finished"
    assert len(sink.received) == RECIPIENTS
    assert summary.report.delivered >= RECIPIENTS
