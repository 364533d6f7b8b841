"""What the database knows: the figures, the number of queries, and the plans on 100,000 sessions."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.factories import ApiGatewayFactory, WebSocketSessionFactory
from websocket_gateway.diagnostics.figures import read_figures
from websocket_gateway.last_runs import PURGE, check_of, note_run, sync_of
from websocket_gateway.metrics.catalogue import DATABASE, PREFIX
from websocket_gateway.models import (
    BroadcastRun,
    BroadcastShard,
    Channel,
    ChannelMember,
    ChannelMessage,
    LastRun,
    WebSocketSession,
)
from websocket_gateway.purging import Part, purge

pytestmark = pytest.mark.django_db(transaction=True)


def figures(using: str | None = None) -> dict[tuple[str, ...], float | None]:
    """The values by short name and labels."""
    return {
        (figure.metric.name.removeprefix(f"{PREFIX}."), *figure.labels.values()): figure.value
        for figure in read_figures(using)
    }


def shift(name: str, seconds: int) -> None:
    LastRun.objects.filter(name=name).update(ended_on=timezone.now() - timedelta(seconds=seconds))


def test_an_empty_database_has_no_ages() -> None:
    assert figures() == {
        ("history.oldest_unnumbered",): 0.0,
        ("broadcasts.open",): 0,
        ("broadcasts.backlog",): 0,
        ("members.present",): 0,
        ("purge.age",): None,
    }


READ_ONLY = {
    "sqlite": ("PRAGMA query_only = ON", "PRAGMA query_only = OFF"),
    "postgresql": (
        "SET default_transaction_read_only = on",
        "SET default_transaction_read_only = off",
    ),
    "mysql": ("SET SESSION TRANSACTION READ ONLY", "SET SESSION TRANSACTION READ WRITE"),
}


def test_a_database_that_takes_no_writes_is_read_and_a_run_is_not_noted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    begin, end = READ_ONLY[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(begin)
        try:
            note_run(PURGE)
            found = figures()
        finally:
            cursor.execute(end)

    assert found["purge.age",] is None
    (record,) = caplog.records
    assert record.getMessage().startswith("The end of the run 'purge' could not be noted: ")
    assert "read" in record.getMessage().lower()
    assert record.exc_info is None


def test_open_connections_by_gateway_and_stage() -> None:
    chat = ApiGatewayFactory.create(api_name="chat", stage_name="live", deployed_stage="old")
    ApiGatewayFactory.create(api_name="quiet", stage_name="live")
    for stage, connected, number in (("", True, 2), ("old", True, 1), ("live", True, 3), ("live", False, 4)):
        for _ in range(number):
            WebSocketSessionFactory.create(api_gateway=chat, stage_name=stage, connected=connected)

    found = {key[1:]: value for key, value in figures().items() if key[0] == "connections.open"}

    assert found == {("chat", "old"): 3, ("chat", "live"): 3, ("quiet", "live"): 0}


def test_messages_members_and_broadcasts() -> None:
    long_ago = timezone.now() - timedelta(seconds=100)
    for name, offset in (("a", None), ("a", 1), ("b", None)):
        Channel.objects.get_or_create(name=name)
        ChannelMessage.objects.create(channel_name=name, offset=offset, body=b"{}")
    ChannelMessage.objects.filter(channel_name="a").update(created_on=long_ago)
    ChannelMember.objects.create(channel_name="a", member="u:1")
    ChannelMember.objects.create(channel_name="a", member="u:2", present=False)
    states = BroadcastRun.State
    for state, recipients in ((states.RUNNING, 50), (states.RUNNING, 10), (states.FINISHED, 70)):
        run = BroadcastRun.objects.create(
            message=b"", audience="everyone", state=state, recipients=recipients
        )
        BroadcastShard.objects.create(
            run=run, first_pk=1, last_pk=9, position=0, delivered=3, gone=2, failed=1
        )

    found = figures()

    assert 100 <= (found[("history.oldest_unnumbered",)] or 0) < 1_000
    assert found["members.present",] == 1
    assert (found[("broadcasts.open",)], found[("broadcasts.backlog",)]) == (2, 60 - 2 * 6)


def test_drift_and_ages() -> None:
    chat, quiet = (ApiGatewayFactory.create(api_name=name) for name in ("chat", "quiet"))
    note_run(check_of(chat), found=1)
    note_run(sync_of(chat))
    note_run(PURGE)
    for name, seconds in ((check_of(chat), 50), (sync_of(chat), 5_000), (PURGE, 300)):
        shift(name, seconds)

    found = figures()

    assert (found["gateway.drift", "chat"], found["gateway.drift", "quiet"]) == (1, None)
    assert 50 <= (found["gateway.check.age", "chat"] or 0) < 1_000
    assert 5_000 <= (found["gateway.sync.age", "chat"] or 0) < 6_000
    assert found["gateway.sync.age", quiet.api_name] is None
    assert 300 <= (found[("purge.age",)] or 0) < 1_000


def test_only_a_complete_purge_of_everything_is_noted() -> None:
    purge(only=[Part.TOKENS])
    assert figures()["purge.age",] is None
    for _ in range(2):
        purge()

    assert (figures()[("purge.age",)] or 0) < 1_000
    assert LastRun.objects.count() == 1


def test_every_gauge_of_the_catalogue_is_read() -> None:
    ApiGatewayFactory.create()

    assert {figure.metric for figure in read_figures()} == set(DATABASE)


def test_the_number_of_queries_does_not_depend_on_the_rows() -> None:
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as found:
            read_figures()
        return len(found)

    ApiGatewayFactory.create()
    BroadcastRun.objects.create(message=b"", audience="everyone")
    few = queries()
    for number in range(5):
        gateway = ApiGatewayFactory.create()
        WebSocketSessionFactory.create(api_gateway=gateway)
        Channel.objects.create(name=f"c{number}")
        BroadcastRun.objects.create(message=b"", audience="everyone")

    assert few == queries() <= 8


@pytest.mark.skipif(connection.vendor != "postgresql", reason="plans of PostgreSQL")
def test_no_plan_reads_a_whole_table_of_100_000_sessions() -> None:
    gateways = [ApiGatewayFactory.create() for _ in range(5)]
    now = timezone.now()
    WebSocketSession.objects.bulk_create(
        WebSocketSession(
            connection_id=f"c{number}=",
            api_gateway=gateways[number % 5],
            connected=number % 10 == 0,
            stage_name="production",
            created_on=now - timedelta(seconds=number),
        )
        for number in range(100_000)
    )
    Channel.objects.bulk_create(Channel(name=f"room{number}") for number in range(100))
    ChannelMessage.objects.bulk_create(
        ChannelMessage(channel_name=f"room{number % 100}", offset=number // 100 + 1, body=b"{}")
        for number in range(100_000)
    )
    runs = BroadcastRun.objects.bulk_create(
        BroadcastRun(
            message=b"{}", audience="everyone", state="running" if number % 1_000 == 0 else "finished"
        )
        for number in range(10_000)
    )
    BroadcastShard.objects.bulk_create(
        BroadcastShard(run=run, first_pk=1, last_pk=9, position=0) for run in runs
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    with CaptureQueriesContext(connection) as captured:
        assert sum(value or 0 for key, value in figures().items() if key[0] == "connections.open") == 10_000

    plans: list[Any] = []
    with connection.cursor() as cursor:
        for query in captured.captured_queries:
            cursor.execute(f"EXPLAIN {query['sql']}")
            plans.append("\n".join(row[0] for row in cursor.fetchall()))
    big = ("websocketsession", "channelmessage", "broadcastshard", "broadcastrun")
    whole = [plan for plan in plans if any(f"Seq Scan on websocket_gateway_{name}" in plan for name in big)]
    assert whole == []
