"""What PostgreSQL says it does for the list of sessions; runs where that is the database."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.admin.clients import address, client_with
from tests.factories import (
    ApiGatewayFactory,
    ChannelSubscriptionFactory,
    UserFactory,
    WebSocketSessionFactory,
)
from websocket_gateway.models import WebSocketSession

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="reads PostgreSQL's plans"),
]
ROWS = 100_000
INSERT = """
INSERT INTO websocket_gateway_websocketsession
    (connection_id, channel_name, user_id, api_gateway_id, connected, session_key_hash, session_auth_hash,
     created_on, last_seen_on, disconnected_on)
SELECT 'id' || n, 'room' || n %% 500, CASE WHEN n %% 1000 = 0 THEN %s END, %s, n %% 2 = 0, '', '',
       now() - n * interval '1 second', now(), CASE WHEN n %% 2 = 1 THEN now() END
FROM generate_series(1, %s) AS n
"""


def test_no_list_of_sessions_scans_the_table() -> None:
    gateway, other, user = ApiGatewayFactory.create(), ApiGatewayFactory.create(), UserFactory.create()
    with connection.cursor() as cursor:
        cursor.execute(INSERT, [user.pk, gateway.pk, ROWS])
    few = WebSocketSessionFactory.create(api_gateway=other)
    ChannelSubscriptionFactory.create(session=few, channel_name="room7")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE websocket_gateway_websocketsession")
    client = client_with("view_websocketsession")
    asked: list[dict[str, str]] = [
        {},
        {"state": "ended"},
        {"state": "all"},
        {"gateway": str(gateway.pk)},
        {"gateway": str(other.pk)},
        {"user": str(user.pk)},
        {"age": "5min"},
        {"q": "room7"},
        {"q": "id4711"},
        {"q": user.username},
        {"q": "nothing like it", "state": "all"},
    ]

    for query in asked:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(address("websocketsession_changelist"), query).status_code == 200
        assert len(captured) < 10, query
        for statement in (item["sql"] for item in captured):
            if WebSocketSession._meta.db_table in statement:
                assert "Seq Scan on websocket_gateway_websocketsession" not in plan_of(statement), query


def plan_of(statement: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {statement}".replace("%", "%%"), [])
        rows: list[Any] = cursor.fetchall()
    return "\n".join(row[0] for row in rows)
