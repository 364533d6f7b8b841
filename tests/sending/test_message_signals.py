"""`message_sent` and `broadcast_finished`: once for each message, with these arguments, and harmless."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from tests.factories import UserFactory
from tests.sending.broadcasts import connect
from tests.sink import Sink
from websocket_gateway.models import ApiGateway, BroadcastRun, WebSocketSession
from websocket_gateway.sending import (
    DeliveryReport,
    broadcast,
    cancel_run,
    create_run,
    resume_expired_shards,
    send,
    work_until_finished,
)
from websocket_gateway.signals import broadcast_finished, message_sent

pytestmark = pytest.mark.django_db(transaction=True)

Heard = list[tuple[str, dict[str, Any]]]


@pytest.fixture
def heard() -> Iterator[Heard]:
    """What receivers are told; the first receiver of each signal raises."""
    found: Heard = []

    def fail(**kwargs: Any) -> None:
        raise RuntimeError("a receiver")

    def sent(sender: Any, signal: Any, **arguments: Any) -> None:
        assert sender is DeliveryReport
        found.append(("sent", arguments))

    def finished(sender: Any, signal: Any, **arguments: Any) -> None:
        assert sender is DeliveryReport
        found.append(("finished", arguments))

    for receiver in (fail, sent):
        message_sent.connect(receiver)
    for receiver in (fail, finished):
        broadcast_finished.connect(receiver)
    yield found
    for receiver in (fail, sent):
        message_sent.disconnect(receiver)
    for receiver in (fail, finished):
        broadcast_finished.disconnect(receiver)


def told(heard: Heard) -> list[tuple[str, str, int]]:
    return [(kind, each["audience"], each["report"].delivered) for kind, each in heard]


@pytest.mark.usefixtures("sink")
def test_each_message_is_told_once(gateway: ApiGateway, heard: Heard) -> None:
    user = UserFactory.create()
    one, _two = connect(gateway, "one=", "two=", user=user)

    send({}, to=WebSocketSession.objects.filter(connection_id="one="))
    one.send_message({})
    broadcast({}, channel="lobby")
    broadcast({}, user=user)
    broadcast({}, everyone=True)
    broadcast({}, connection_ids=["one="])

    assert told(heard) == [
        ("sent", "query", 1),
        ("sent", "query", 1),
        ("sent", "channel", 2),
        ("finished", "channel", 2),
        ("sent", "user", 2),
        ("finished", "user", 2),
        ("sent", "everyone", 2),
        ("finished", "everyone", 2),
        ("sent", "connections", 1),
        ("finished", "connections", 1),
    ]
    assert {each["state"] for _, each in heard} == {"finished"}
    assert heard[2][1]["channel_name"] == "lobby"
    assert heard[4][1]["user_id"] == user.pk
    assert set(heard[0][1]) == {"audience", "channel_name", "user_id", "report", "state"}
    assert set(heard[3][1]) == {*heard[0][1], "run"}


@pytest.mark.usefixtures("sink")
def test_a_deferred_message_is_told_after_the_commit(gateway: ApiGateway, heard: Heard) -> None:
    connect(gateway, "one=")

    with transaction.atomic():
        broadcast({}, channel="lobby", on_commit=True)
        assert heard == []
    with transaction.atomic():
        broadcast({}, channel="lobby", on_commit=True)
        transaction.set_rollback(True)

    assert told(heard) == [("sent", "channel", 1), ("finished", "channel", 1)]


def test_an_interrupted_one_says_so(sink: Sink, gateway: ApiGateway, heard: Heard) -> None:
    connect(gateway, "one=", "two=")
    sink.answers["one="] = 403

    def interrupt(failure: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broadcast({}, channel="lobby", on_failure=interrupt)

    assert [each["state"] for _, each in heard] == ["interrupted", "interrupted"]


@pytest.mark.usefixtures("sink")
def test_a_broadcast_of_the_queue_is_told_when_it_has_ended(gateway: ApiGateway, heard: Heard) -> None:
    connect(gateway, "one=", "two=")
    run, cancelled = create_run(b"{}", channel="lobby"), create_run(b"{}")
    empty = create_run(b"{}", channel="nowhere")
    assert told(heard) == [("finished", "channel", 0)]

    work_until_finished(run.pk)
    assert cancel_run(cancelled.pk)
    assert not cancel_run(cancelled.pk)
    resume_expired_shards()

    assert told(heard)[1:] == [("finished", "channel", 2), ("finished", "everyone", 0)]
    assert [each["state"] for _, each in heard] == ["finished", "finished", "cancelled"]
    assert [each["run"] for _, each in heard] == [empty, run, cancelled]


@pytest.mark.usefixtures("sink")
def test_the_end_is_told_after_the_commit_and_not_after_a_rollback(gateway: ApiGateway, heard: Heard) -> None:
    connect(gateway, "one=")
    run = create_run(b"{}", channel="lobby")

    with transaction.atomic():
        cancel_run(run.pk)
        transaction.set_rollback(True)
    assert heard == []
    assert BroadcastRun.objects.get().state == "running"

    with transaction.atomic():
        cancel_run(run.pk)
        assert heard == []
    assert [each["state"] for _, each in heard] == ["cancelled"]


def test_without_receivers_the_end_costs_one_statement(gateway: ApiGateway) -> None:
    connect(gateway, "one=")
    run = create_run(b"{}", channel="lobby")

    with CaptureQueriesContext(
        connection,
    ) as queries:
        cancel_run(run.pk)

    assert len(queries) == 2  # the row is looked up, and updated


def test_a_message_that_reaches_none_of_its_recipients_is_logged(
    sink: Sink, gateway: ApiGateway, caplog: pytest.LogCaptureFixture
) -> None:
    connect(gateway, "one=", "two=")
    sink.answers["one="] = 403

    broadcast({}, channel="lobby")
    assert caplog.records == []

    sink.answers["two="] = 403
    broadcast({}, channel="lobby")

    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.name == "websocket_gateway.sending"
    assert record.getMessage().startswith("None of 2 recipients got a message: {'ForbiddenException")
