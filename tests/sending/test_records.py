"""Records of broadcasts of every origin: what they say, what they cost, how long they stay."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.admin.clients import act, address, client_with
from tests.factories import BroadcastRunFactory, UserFactory, WebSocketSessionFactory
from websocket_gateway.exceptions import AWSError
from websocket_gateway.models import BroadcastRun, WebSocketSession
from websocket_gateway.purging import Part, count_purgeable, purge
from websocket_gateway.sending import broadcast, create_run, recent_runs, send, summarize
from websocket_gateway.testing import FakeConnections

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def recording(settings: Any) -> None:
    settings.WEBSOCKET_GATEWAY = {
        "ACTIVITY_RETENTION_DAYS": 30,
        "CHANNELS": {"orders": {"HISTORY_MESSAGES": 5}},
    }


def shown(run: BroadcastRun) -> tuple[str, str, str]:
    return str(run.origin), str(run.audience), str(run.state)


@pytest.mark.usefixtures("recording")
def test_each_audience_of_the_code_has_a_record(fake_connections: FakeConnections) -> None:
    user = UserFactory.create()
    WebSocketSessionFactory.create(connection_id="one=", user=user)
    other = WebSocketSessionFactory.create(connection_id="two=")
    fake_connections.gone.add("two=")
    other.created_on = timezone.now() - timedelta(hours=1)
    other.save()

    broadcast({"secret": 1}, channel="lobby")
    broadcast({}, user=user)
    broadcast({}, everyone=True)
    broadcast({}, connection_ids=["one="])
    broadcast({}, channel="orders")
    send({}, to=WebSocketSession.objects.filter(user=user))
    send({}, to=WebSocketSession.objects.in_channel("lobby"))
    send({}, to=WebSocketSession.objects.get(connection_id="one="))

    rows = list(BroadcastRun.objects.order_by("pk"))
    assert [row.audience for row in rows] == [
        *("channel", "user", "everyone", "connections", "channel", "query", "channel")
    ]
    assert {(row.origin, row.state, bytes(row.message)) for row in rows} == {("code", "finished", b"")}
    first = rows[0]
    assert (first.channel_name, first.recipients, first.delivered, first.gone, first.failed) == (
        *("lobby", 2, 1, 1, 0),
    )
    assert rows[1].user == user
    assert first.finished_on is not None
    assert first.finished_on >= first.created_on


@pytest.mark.usefixtures("recording")
def test_failures_are_recorded_with_their_reasons(fake_connections: FakeConnections) -> None:
    WebSocketSessionFactory.create(connection_id="one=")
    fake_connections.failures["one="] = AWSError("no answer")

    report = broadcast({}, channel="lobby")

    row = BroadcastRun.objects.get()
    assert report.failed == row.failed == 1
    assert row.reasons == dict(report.reasons)
    assert summarize(row.pk).report.reasons == report.reasons
    assert recent_runs()[0].report.failed == 1


@pytest.mark.usefixtures("recording")
def test_the_command_and_the_admin_are_named(fake_connections: FakeConnections) -> None:
    session = WebSocketSessionFactory.create()
    client = client_with("view_websocketsession", "send_websocketsession")

    call_command("broadcast", "lobby", "{}", stdout=StringIO())
    act(client, "send_message", session, step="apply", message="{}")
    client.post(address("send"), {"to": "everyone", "message": "{}", "step": "apply"})

    rows = list(BroadcastRun.objects.order_by("pk"))
    assert [shown(row) for row in rows] == [
        ("command", "channel", "finished"),
        ("admin", "query", "finished"),
        ("admin", "everyone", "finished"),
    ]
    assert [row.started_by is None for row in rows] == [True, False, False]
    assert [found.report.delivered for found in recent_runs()] == [1, 1, 1]


def inserts(captured: CaptureQueriesContext) -> list[str]:
    return [query["sql"] for query in captured if query["sql"].startswith("INSERT")]


def test_a_record_is_one_statement_and_none_when_off(
    fake_connections: FakeConnections, settings: Any
) -> None:
    WebSocketSessionFactory.create_batch(3)
    with CaptureQueriesContext(connection) as off:
        broadcast({}, channel="lobby")
    settings.WEBSOCKET_GATEWAY = {"ACTIVITY_RETENTION_DAYS": 1}
    with CaptureQueriesContext(connection) as on:
        broadcast({}, channel="lobby")

    assert len(on) == len(off) + 1
    assert inserts(off) == []
    assert len(inserts(on)) == 1


@pytest.mark.usefixtures("recording")
def test_a_broadcast_in_a_transaction_is_recorded_after_it(fake_connections: FakeConnections) -> None:
    WebSocketSessionFactory.create()
    with transaction.atomic():
        broadcast({}, channel="lobby")
        assert not BroadcastRun.objects.exists()
    assert BroadcastRun.objects.count() == 1

    with transaction.atomic():
        broadcast({}, channel="lobby", on_commit=True)
    assert BroadcastRun.objects.count() == 2


@pytest.mark.usefixtures("recording")
def test_a_record_that_cannot_be_written_fails_no_broadcast(
    fake_connections: FakeConnections, monkeypatch: pytest.MonkeyPatch
) -> None:
    WebSocketSessionFactory.create()

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(BroadcastRun, "save", refuse)

    assert broadcast({}, channel="lobby").delivered == 1


@pytest.mark.usefixtures("recording")
def test_an_interrupted_broadcast_is_recorded_as_far_as_it_came(fake_connections: FakeConnections) -> None:
    for session in WebSocketSessionFactory.create_batch(2):
        fake_connections.failures[session.connection_id] = AWSError("no answer")

    interruptions = iter([KeyboardInterrupt()])

    def interrupt(report: Any) -> None:
        for interruption in interruptions:
            raise interruption

    with pytest.raises(KeyboardInterrupt):
        broadcast({}, channel="lobby", on_failure=interrupt)

    row = BroadcastRun.objects.get()
    assert row.state == BroadcastRun.State.CANCELLED
    assert row.failed


@pytest.mark.usefixtures("recording")
def test_records_go_after_a_retention_of_their_own() -> None:
    def make(days: int, **fields: Any) -> BroadcastRun:
        ago = timezone.now() - timedelta(days=days)
        made: BroadcastRun = BroadcastRunFactory.create(
            finished=True, created_on=ago, finished_on=ago, **fields
        )
        return made

    make(31, delivered=1, gone=0, failed=0)
    kept, shards = make(29, delivered=1, gone=0, failed=0), create_run(b"{}")
    make(8)

    assert count_purgeable(only=[Part.BROADCASTS]).counts["records_deleted"] == 1
    done = purge(only=[Part.BROADCASTS]).counts

    assert (done["records_deleted"], done["broadcasts_deleted"]) == (1, 1)
    assert set(BroadcastRun.objects.all()) == {kept, shards}
