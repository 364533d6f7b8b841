"""A database copied from production to staging: nothing that staging does reaches production's sockets.

Two installations (two values of SECRET_KEY) and one local gateway with real sockets, behind a proxy that
lists every call. The rows are production's, as a copy of its database has them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model, logout
from django.contrib.sessions.backends.db import SessionStore
from django.test import Client, RequestFactory

from tests.admin.clients import act, address, client_with, text_of
from tests.security.staging import MESSAGE, WHY, Staging, assert_refused
from tests.support.commands import run
from websocket_gateway.connections import disconnect, find_socket_url, revoke, verify
from websocket_gateway.logins import hash_session_auth
from websocket_gateway.models import BroadcastRun, BroadcastShard, WebSocketSession
from websocket_gateway.purging import purge
from websocket_gateway.sending import abroadcast, asend, broadcast, send
from websocket_gateway.sending import runs as broadcast_runs
from websocket_gateway.sending.worker import work_once
from websocket_gateway.signals import connection_gone
from websocket_gateway.testing import events

pytestmark = pytest.mark.django_db(transaction=True)

SENDING: dict[str, Callable[[Staging], Any]] = {
    "broadcast to everyone": lambda staging: broadcast(MESSAGE, everyone=True),
    "broadcast to a channel": lambda staging: broadcast(MESSAGE, channel="lobby"),
    "broadcast to ids": lambda staging: broadcast(
        MESSAGE, connection_ids=list(WebSocketSession.objects.values_list("connection_id", flat=True))
    ),
    "abroadcast": lambda staging: asyncio.run(abroadcast(MESSAGE, everyone=True)),
    "send to a query": lambda staging: send(MESSAGE, to=WebSocketSession.objects.all()),
    "send to loaded gateways": lambda staging: send(
        MESSAGE, to=WebSocketSession.objects.select_related("api_gateway")
    ),
    "asend": lambda staging: asyncio.run(asend(MESSAGE, to=WebSocketSession.objects.all())),
    "a QuerySet": lambda staging: WebSocketSession.objects.in_channel("lobby").send_message(MESSAGE),
}


@pytest.mark.parametrize("engine", ["asyncio", "boto3"])
def test_a_message_reaches_the_own_sockets_only(staging: Staging, engine: str, settings: Any) -> None:
    settings.WEBSOCKET_GATEWAY = {**settings.WEBSOCKET_GATEWAY, "SEND_ENGINE": engine}

    for way, send_it in SENDING.items():
        assert_refused(send_it(staging), delivered=1)
        received = json.loads(staging.own_socket.recv(timeout=5))
        assert {key: received[key] for key in received if key != "_ws"} == MESSAGE, way
        assert staging.rows.filter(connected=True).count() == 2, way

    staging.assert_production_is_untouched()


def test_a_message_to_a_user_or_one_session_is_refused_too(staging: Staging) -> None:
    assert_refused(broadcast(MESSAGE, user=staging.user), delivered=0)
    report = staging.rows.first().send_message(MESSAGE)

    assert (report.delivered, report.failed) == (0, 1)
    staging.assert_production_is_untouched()


def test_the_command_says_why(staging: Staging) -> None:
    ended = run("broadcast", "lobby", json.dumps(MESSAGE))

    assert ended.status == 3
    assert WHY in ended.stdout + ended.stderr
    staging.assert_production_is_untouched()


def test_a_worker_refuses_what_was_enqueued(staging: Staging) -> None:
    run_row = broadcast_runs.create_run(json.dumps(MESSAGE).encode(), channel="lobby", user=None)

    while work_once(run_row.pk):
        pass

    shards = BroadcastShard.objects.filter(run=run_row)
    assert sum(shard.delivered for shard in shards) == 1
    assert sum(shard.failed for shard in shards) == 2
    assert any(WHY in reason for shard in shards for reason in shard.reasons)
    assert BroadcastRun.objects.get(pk=run_row.pk).state == BroadcastRun.State.FINISHED
    staging.assert_production_is_untouched()


def test_closing_says_that_the_sockets_stay_open(staging: Staging) -> None:
    gone: list[Any] = []

    def keep(connection_ids: Any, **kwargs: Any) -> None:
        gone.append(connection_ids)

    connection_gone.connect(keep)
    try:
        closing = disconnect(WebSocketSession.objects.all(), reason="admin")
    finally:
        connection_gone.disconnect(keep)

    assert (closing.closed, closing.gone) == (1, 0)
    assert set(closing.failed) == set(staging.rows.values_list("connection_id", flat=True))
    assert all(WHY in reason for reason in closing.failed.values())
    assert gone == []
    assert staging.calls_to(staging.foreign) == []
    staging.gateway.wait_until(lambda: len(staging.gateway.connections()) == 2)


def log_out(staging: Staging) -> None:
    request: Any = RequestFactory().get("/")
    request.user, request.session = staging.user, SessionStore("of-production")
    request.session.save(must_create=True)
    logout(request)


def deactivate(staging: Staging) -> None:
    staging.user.is_active = False
    staging.user.save()


def deactivate_quietly(staging: Staging) -> None:
    get_user_model().objects.filter(pk=staging.user.pk).update(is_active=False)
    assert purge().counts["sessions_ended_revoked"] == 2


def change_password(staging: Staging) -> None:
    staging.user.set_password("another one")
    staging.user.save()


CLOSING: dict[str, Callable[[Staging], Any]] = {
    "revoke": lambda staging: revoke(staging.rows),
    "disconnect": lambda staging: disconnect(staging.rows),
    "logout": log_out,
    "deactivation": deactivate,
    "deactivation found by purge": deactivate_quietly,
    "new password": change_password,
}


def test_no_end_of_a_login_closes_a_socket_of_production(staging: Staging) -> None:
    keys = list(staging.rows.values_list("pk", flat=True))

    for way, end_it in CLOSING.items():
        end_it(staging)
        copied = WebSocketSession.objects.filter(pk__in=keys)
        assert not copied.filter(connected=True).exists(), way  # they have ended for this database
        assert staging.calls_to(staging.foreign) == [], way
        staging.user.is_active = True
        staging.user.save()
        copied.update(connected=True, user=staging.user, session_auth_hash=hash_session_auth(staging.user))

    staging.user.delete()
    assert not staging.rows.filter(connected=True).exists()
    staging.assert_production_is_untouched()


def test_verifying_asks_nothing_and_ends_nothing(staging: Staging) -> None:
    found = verify(WebSocketSession.objects.all())

    assert (found.open, found.closed, found.ended) == (1, 0, 0)
    assert [WHY in reason for reason in found.unknown] == [True]
    assert staging.rows.filter(connected=True).count() == 2
    staging.assert_production_is_untouched()


def test_a_purge_that_verifies_reports_it(staging: Staging) -> None:
    ended = run("purge_connections", "--verify")

    assert ended.status == 1
    assert f"2 sessions not verified: gateway 'chat' {WHY}" in ended.stderr
    assert staging.rows.filter(connected=True).count() == 2
    staging.assert_production_is_untouched()


def test_the_actions_of_the_admin_refuse(staging: Staging) -> None:
    client = client_with(superuser=True)
    sessions = list(staging.rows)

    for action, fields in {
        "send_message": {"step": "apply", "message": json.dumps(MESSAGE)},
        "verify": {},
        "disconnect": {"step": "apply"},
    }.items():
        assert WHY in text_of(act(client, action, *sessions, **fields)), action
        staging.rows.update(connected=True)
    assert "another installation" in text_of(act(client, "compare", staging.foreign))
    assert "another installation" in text_of(
        client.get(address("websocket_gateway_plan".removeprefix("websocket_gateway_"), staging.foreign.pk))
    )
    listed = text_of(client.get(address("apigateway_changelist")))
    assert listed.count('<td class="field-state">belongs to another installation</td>') == 1
    staging.assert_production_is_untouched()


def test_pages_do_not_lead_to_production(staging: Staging) -> None:
    assert find_socket_url(staging.foreign) == ""
    assert find_socket_url(staging.own).startswith("ws://127.0.0.1")


@pytest.mark.urls("tests.views.urls")
def test_events_through_productions_gateway_are_refused(staging: Staging, settings: Any) -> None:
    """The origin secret is derived from SECRET_KEY, so staging does not know production's."""
    session = staging.rows.first()
    staging.rows.update(user=None, session_auth_hash="")  # whose hash depends on the key, too
    settings.SECRET_KEY = "the key of production"
    headers = events.event_headers(staging.foreign, session.connection_id, "MESSAGE", "$default")

    def status() -> int:
        body = json.dumps({"handler": "say"})
        answer = Client().post("/ws/default", body, content_type="application/json", headers=headers)
        return answer.status_code

    assert status() == 200
    settings.SECRET_KEY = "the key of staging"
    assert status() == 403


def test_the_check_finds_it_and_probes_nothing_of_production(staging: Staging) -> None:
    staging.backend.requests.clear()

    ended = run("check_ws_settings", "--live", "--gateway", "chat", "--format", "json")

    found = {item["id"]: item for item in json.loads(ended.stdout)["findings"]}
    assert ended.status == 1
    assert "delete_gateway chat --forget" in found["websocket_gateway.E119"]["hint"]
    assert "websocket_gateway.E105" in found
    assert "websocket_gateway.E107" not in found
    assert staging.backend.requests == []
    staging.assert_production_is_untouched()


def test_a_sync_and_a_deletion_leave_production_alone(staging: Staging) -> None:
    for argv in (("sync_routes", "chat", "--prune", "--no-input"), ("delete_gateway", "chat", "--no-input")):
        ended = run(*argv)
        assert ended.status == 1
        assert "belongs to another installation" in ended.stderr
    assert all(call.startswith("GET ") for call in staging.proxy.calls)
    staging.assert_production_is_untouched()
