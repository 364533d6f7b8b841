"""Presence in large channels: what a join posts, what it asks the database, and by which indexes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection
from django.db.models import QuerySet
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.factories import ApiGatewayFactory
from tests.sink import Sink
from websocket_gateway.channels import members
from websocket_gateway.connections.ending import end
from websocket_gateway.models import (
    ApiGateway,
    Channel,
    ChannelMember,
    ChannelSubscription,
    WebSocketSession,
)
from websocket_gateway.views.presence import read_page

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def channels() -> Iterator[None]:
    with override_settings(WEBSOCKET_GATEWAY={"CHANNELS": {"room*": {"PRESENCE": True}}}):
        yield


def fill(gateway: ApiGateway, number: int, name: str = "room") -> None:
    """So many members, each with one connection."""
    WebSocketSession.objects.bulk_create(
        [
            WebSocketSession(
                connection_id=f"{name}{key}=",
                api_gateway=gateway,
                presence_member=f"{name}:{key}",
                created_on="2020-01-01T00:00Z",
            )
            for key in range(number)
        ],
        batch_size=1_000,
    )
    made = WebSocketSession.objects.filter(connection_id__startswith=name)
    ChannelSubscription.objects.bulk_create(
        [ChannelSubscription(session_id=pk, channel_name=name) for pk in made.values_list("pk", flat=True)],
        batch_size=1_000,
    )
    ChannelMember.objects.bulk_create(
        [ChannelMember(channel_name=name, member=f"{name}:{key}") for key in range(number)],
        batch_size=1_000,
    )
    Channel.objects.create(name=name, swept_on=timezone.now())


def newcomer(gateway: ApiGateway, name: str) -> WebSocketSession:
    return WebSocketSession.objects.create(connection_id=name, api_gateway=gateway)


@pytest.mark.parametrize(
    ("present", "posts", "leave_posts", "told"),
    [
        # Members before the join; posts of the join, of the leave after it; what each of the posts tells.
        pytest.param(9, 9, 9, "names", id="10"),
        pytest.param(99, 99, 99, "names", id="100"),
        # The number, once in 10 seconds. A leave that makes the channel small again is told by name.
        pytest.param(100, 100, 100, "number", id="101"),
        pytest.param(9_999, 0, 0, "", id="10000"),
    ],
)
def test_posts_of_a_join(
    sink: Sink, gateway: ApiGateway, present: int, posts: int, leave_posts: int, told: str
) -> None:
    fill(gateway, present)
    session = newcomer(gateway, "new=")

    session.subscribe("room")

    frames = [json.loads(body)["_ws"] for bodies in sink.received.values() for body in bodies]
    assert len(sink.requests) == len(frames) == posts
    expected = {"type": "presence", "channel": "room", "count": present + 1}
    assert all(expected.items() <= frame.items() for frame in frames)
    assert {("names" if "join" in frame else "number") for frame in frames} == ({told} if told else set())
    sink.requests.clear()
    end(session, reason="client")
    assert len(sink.requests) == leave_posts


@pytest.mark.parametrize("present", [9, 100, 2_000])
def test_statements_of_a_join_do_not_grow_with_the_channel(gateway: ApiGateway, present: int) -> None:
    fill(gateway, present)
    Channel.objects.update(counted_on=timezone.now())
    session = newcomer(gateway, "new=")

    with CaptureQueriesContext(connection) as captured:
        session.subscribe("room")

    statements = [
        query["sql"] for query in captured if query["sql"].split()[0] in ("SELECT", "INSERT", "UPDATE")
    ]
    # Subscription: 2. Who it is, member, still open: 4. Number of members and of connections, or when it was
    # last told: 2 or 3. Recipients: 3. When the channel was last swept: 1.
    assert len(statements) <= (13 if present < 100 else 9)
    counts = [sql for sql in statements if "COUNT(" in sql]
    assert all("LIMIT" in sql for sql in counts)


def plan(query: QuerySet[Any]) -> list[str]:
    """The steps of a query, each with the index that it takes."""
    sql, params = query.query.sql_with_params()
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET enable_seqscan = off")  # the tables of a test are small
        words = "EXPLAIN QUERY PLAN" if connection.vendor == "sqlite" else "EXPLAIN"
        cursor.execute(f"{words} {sql}", params)
        rows = cursor.fetchall()
        if connection.vendor == "postgresql":
            cursor.execute("SET enable_seqscan = on")
            return [row[0] for row in rows if "Scan" in row[0]]
        if connection.vendor == "sqlite":
            return [row[3] for row in rows if row[3].startswith(("SCAN", "SEARCH"))]
        names = [column[0] for column in cursor.description]
        found = [dict(zip(names, row, strict=True)) for row in rows]
        return [f"{row['type']} {row['key']} {row['rows']}" for row in found if row["table"]]


@pytest.fixture
def filled() -> None:
    gateway = ApiGatewayFactory.create()
    for number in range(10):
        fill(gateway, 200, f"room_{number}")
    with connection.cursor() as cursor:
        if connection.vendor == "mysql":
            for model in (WebSocketSession, ChannelMember, ChannelSubscription):
                cursor.execute(f"ANALYZE TABLE {model._meta.db_table}")
                cursor.fetchall()
        else:
            cursor.execute("ANALYZE")


QUERIES: dict[str, Callable[[], QuerySet[Any]]] = {
    "count": lambda: members.present_members("room_1").order_by(),
    "page": lambda: members.present_members("room_1").filter(pk__gt=50).order_by("pk")[:101],
    "one member": lambda: members.present_members("room_1").filter(member="room_1:7"),
    "open connections": lambda: members._open_connections("room_1", "room_1:7", None),
    "sweep": lambda: members.stale_members("room_1", timezone.now()),
    "who just left": lambda: members.recently_left(["room_1"], since=timezone.now()),
}


@pytest.mark.parametrize("name", QUERIES)
def test_every_query_takes_an_index(filled: None, name: str) -> None:
    steps = plan(QUERIES[name]())

    assert steps
    if connection.vendor == "mysql":
        assert not [step for step in steps if step.split()[:2] in (["ALL", "None"], ["index", "None"])], steps
        assert all(int(step.split()[2]) <= 250 for step in steps), steps
    elif connection.vendor == "postgresql":
        assert not [step for step in steps if "Seq Scan" in step], steps
    else:
        assert not [step for step in steps if step.startswith("SCAN")], steps


def test_a_page_needs_no_sorting(filled: None) -> None:
    text = QUERIES["page"]().explain()

    assert not [word for word in ("TEMP B-TREE", "Sort", "filesort") if word in text]


def test_pages_of_a_large_channel(filled: None) -> None:
    first = read_page("room_3", 0)
    second = read_page("room_3", first["after"])  # type: ignore[arg-type]

    assert (first["count"], first["more"], second["more"]) == (200, True, False)
    shown = [one["id"] for page in (first, second) for one in page["members"]]  # type: ignore[attr-defined]
    assert sorted(shown) == sorted(f"room_3:{key}" for key in range(200))
