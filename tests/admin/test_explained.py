"""PostgreSQL's plans for every page of the admin, with large tables; runs where that is the database."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.admin.clients import MODELS, address, client_with
from tests.factories import (
    ApiGatewayFactory,
    ChannelPermissionFactory,
    ChannelSubscriptionFactory,
    UserFactory,
    WebSocketSessionFactory,
)
from websocket_gateway.models import ApiGateway, BroadcastRun, WebSocketSession

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="reads PostgreSQL's plans"),
]
SESSIONS, BROADCASTS, GATEWAYS = 100_000, 10_000, 5
MOST_QUERIES = 9
INSERTS = {
    # A tenth is open, for two hours at most; the others ended within the week that they are kept.
    "websocketsession": """
        (connection_id, channel_name, user_id, api_gateway_id, connected, session_key_hash, session_auth_hash,
         created_on, last_seen_on, disconnected_on)
        SELECT 'id' || n, 'room' || n % 500, CASE WHEN n % 1000 = 0 THEN {user} END,
               {gateway} + n % {gateways}, n % 10 = 0, '', '',
               now() - CASE WHEN n % 10 = 0 THEN n % 7200 ELSE n * 6 END * interval '1 second', now(),
               CASE WHEN n % 10 > 0 THEN now() - n * interval '6 seconds' END
        FROM generate_series(1, {sessions}) AS n""",
    "channelsubscription": """
        (session_id, channel_name, created_on)
        SELECT id, 'topic' || id % 700, now() FROM websocket_gateway_websocketsession WHERE id % 3 = 0""",
    "broadcastrun": """
        (message, audience, channel_name, user_id, started_by_id, origin, state, max_per_second, recipients,
         delivered, gone, failed, reasons, created_on, finished_on)
        SELECT '', 'channel', 'room' || n % 500, NULL, {user}, 'command', 'finished', 0, 100,
               CASE WHEN n % 2 = 0 THEN 90 END, CASE WHEN n % 2 = 0 THEN 5 END,
               CASE WHEN n % 2 = 0 THEN 5 END, NULL,
               now() - n * interval '1 minute', now() - n * interval '1 minute'
        FROM generate_series({broadcasts}, 1, -1) AS n""",
    "broadcastshard": """
        (run_id, first_pk, last_pk, position, unsettled, fence, lease_holder, delivered, gone, failed,
         retried, seconds, reasons, finished_on)
        SELECT id, 1 + 100 * n, 100 + 100 * n, 100 + 100 * n, '[]', 1, '', 90, 5, 5, 0, 1, '{{}}', now()
        FROM websocket_gateway_broadcastrun, generate_series(0, 1) AS n WHERE delivered IS NULL""",
    "channel": """
        (name, epoch, last_offset, published_on, created_on)
        SELECT 'room' || n, 'e', 20, now() - n * interval '1 minute', now()
        FROM generate_series(1, 50000) AS n""",
    "channelmessage": """
        (channel_name, "offset", body, created_on)
        SELECT 'room' || n % 5000, n / 5000 + 1, '{{}}', now() FROM generate_series(1, 100000) AS n""",
    "channelmember": """
        (channel_name, member, present, generation, info, since)
        SELECT 'room' || n % 500, 'u:' || n, n % 2 = 0, 1, '{{}}', now()
        FROM generate_series(1, 50000) AS n""",
    "channelcursor": """
        (user_id, channel_name, epoch, acked_offset, updated_on)
        SELECT {user}, 'user_' || n, 'e', 1, now() FROM generate_series(1, 50000) AS n""",
    "connectionratelimit": """
        (key, window_start, attempts)
        SELECT 'connect:300s:ip:' || n, now() - n * interval '1 second', 1
        FROM generate_series(1, 50000) AS n""",
    "websockettoken": """
        (token_hash, user_id, session_key_hash, session_auth_hash, created_on, expires_on)
        SELECT 'hash' || n, {user}, '', '', now(), now() FROM generate_series(1, 50000) AS n""",
}
SMALL = {"apigateway", "channelpermission", "refusalcount"}
"""Tables that people fill, and one that has a row for each rule and hour."""
READ_WHOLE = {"channelsubscription"}
"""The fullest channels are found by counting every subscription; the figures are cached for that."""


@pytest.fixture
def full() -> Iterator[Client]:
    """One of the staff who may see everything, in front of full tables."""
    cache.clear()
    user = UserFactory.create(username="ada.lovelace")
    gateways = sorted(gateway.pk for gateway in ApiGatewayFactory.create_batch(GATEWAYS))
    ChannelPermissionFactory.create()
    numbers = {"user": user.pk, "gateway": gateways[0], "gateways": GATEWAYS}
    with connection.cursor() as cursor:
        for table, rows in INSERTS.items():
            text = rows.format(**numbers, sessions=SESSIONS, broadcasts=BROADCASTS)
            cursor.execute(f"INSERT INTO websocket_gateway_{table} {text}")
        cursor.execute("ANALYZE")
    yield client_with(*(f"view_{model}" for model in MODELS), "send_websocketsession", "view_user")
    cache.clear()


def pages() -> Iterator[tuple[str, dict[str, str]]]:
    """Every list and every page of a row, the overview, its figures, and the form of a broadcast."""
    for model in MODELS:
        yield address(f"{model}_changelist"), {}
    yield from ((address(name), {}) for name in ("overview", "figures", "send"))
    for query in (
        *({"p": "20"}, {"state__exact": "running"}, {"origin__exact": "command"}, {"q": "room7"}),
        {"origin__exact": "admin"},
    ):
        yield address("broadcastrun_changelist"), query
    for query in ({"q": "room7"}, {"present__exact": "1"}):
        yield address("channelmember_changelist"), query
    yield address("channel_changelist"), {"q": "room77"}
    yield address("channelmessage_changelist"), {"q": "room77"}
    few = WebSocketSession.objects.create(connection_id="few", api_gateway=ApiGatewayFactory.create())
    yield from session_lists(few)
    yield address("websocketsession_change", few.pk), {}
    for run in (
        BroadcastRun.objects.earliest("pk"),
        BroadcastRun.objects.filter(delivered=None).latest("pk"),
    ):
        yield address("broadcastrun_change", run.pk), {}
    yield address("apigateway_change", few.api_gateway_id), {}


def session_lists(few: WebSocketSession) -> Iterator[tuple[str, dict[str, str]]]:
    user = UserFactory.create(username="charles.babbage", email="engine@example.org")
    WebSocketSessionFactory.create(user=user, api_gateway=few.api_gateway)
    ChannelSubscriptionFactory.create(session=few, channel_name="room7")
    for query in (
        *({"state": "ended"}, {"state": "all"}, {"gateway": str(ApiGateway.objects.earliest("pk").pk)}),
        *({"gateway": str(few.api_gateway_id)}, {"user": str(user.pk)}, {"age": "5min"}, {"q": "room7"}),
        *({"q": "id4711"}, {"q": "topic3"}, {"q": user.username}, {"q": "babb"}, {"q": "engine@"}),
        {"q": "nothing like it", "state": "all"},
    ):
        yield address("websocketsession_changelist"), query


def test_no_page_scans_a_large_table_or_takes_ten_queries(full: Client) -> None:
    assert set(INSERTS) | SMALL >= set(MODELS)
    faults: list[Any] = []
    for url, query in list(pages()):
        cache.clear()
        with CaptureQueriesContext(connection) as captured:
            assert full.get(url, query).status_code == 200
        if len(captured) > MOST_QUERIES:
            faults.append((url, query, len(captured), [item["sql"][:300] for item in captured]))
        for statement in (item["sql"] for item in captured):
            found = scanned(statement) if re.match("SELECT|\\(SELECT", statement) else set()
            if found & set(INSERTS) - (READ_WHOLE if url == address("figures") else set()):
                faults.append((url, query, found, statement[:1500]))

    assert faults == [], json.dumps([str(fault) for fault in faults], indent=1)


def scanned(statement: str) -> set[str]:
    """The tables of ours of which a statement reads every row."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {statement}".replace("%", "%%"), [])
        rows: list[Any] = cursor.fetchall()
    return set(re.findall(r"Seq Scan on websocket_gateway_(\w+)", "\n".join(row[0] for row in rows)))
