"""A replica that never gets the writes: whoever reads after a write reads where it was written."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core.cache import cache
from django.db import connections
from django.http import HttpRequest

from tests.factories import ApiGatewayFactory, UserFactory
from tests.support.logins import ENGINES
from tests.views.builders import user_with
from tests.views.urls import StackView
from websocket_gateway.models import ChannelPermission, ConnectionRateLimit, WebSocketSession
from websocket_gateway.purging import Part, purge
from websocket_gateway.receiving.tokens import issue_token
from websocket_gateway.sending import broadcast, runs, summaries
from websocket_gateway.testing import FakeConnections, WebSocketClient
from websocket_gateway.views import WebSocketView

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("within_one_minute")]


class ToReplica:
    """As in Django's documentation, without `allow_relation`, which few projects write."""

    def db_for_read(self, model: Any, **hints: Any) -> str | None:
        return "replica" if model._meta.app_label in ("websocket_gateway", "sessions") else None

    def db_for_write(self, model: Any, **hints: Any) -> str:
        return "default"


@pytest.fixture(autouse=True)
def replica(tmp_path: Any, settings: Any) -> Iterator[None]:
    """A database with all tables and without a single row."""
    from django.apps import apps

    connections.databases["replica"] = {
        **connections.databases["default"],
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(tmp_path / "replica.sqlite3"),
        "OPTIONS": {},
    }
    connections["replica"].connect()  # before pytest-django asks which databases the test may open
    with connections["replica"].schema_editor() as editor:
        for config in map(apps.get_app_config, ("contenttypes", "auth", "sessions", "websocket_gateway")):
            for model in config.get_models():
                if model.__module__.startswith(("django.", "websocket_gateway.")):  # not one that a test made
                    editor.create_model(model)
    settings.DATABASE_ROUTERS = [ToReplica()]
    yield
    settings.DATABASE_ROUTERS = []
    connections["replica"].close()
    del connections["replica"]
    del connections.databases["replica"]


class EchoView(WebSocketView):
    MAX_SUBSCRIPTIONS = 2

    def echo(self, request: HttpRequest) -> dict[str, Any]:
        return {"sent": self.websocket_session.send_message({"n": 1}).delivered}

    def to_channel(self, request: HttpRequest) -> dict[str, Any]:
        found = WebSocketSession.objects.in_channel("news")
        return {"sent": found.send_message({"n": 2}).delivered}


@pytest.fixture
def client(fake_connections: FakeConnections) -> WebSocketClient:
    made = WebSocketClient(EchoView, gateway=ApiGatewayFactory.create(), connections=fake_connections)
    assert made.connect(user=UserFactory.create()).ok
    return made


def test_the_replica_has_nothing(client: WebSocketClient) -> None:
    assert not WebSocketSession.objects.exists()
    assert WebSocketSession.objects.using("default").exists()


def test_handler_reaches_its_own_connection(client: WebSocketClient) -> None:
    assert client.send({"handler": "echo"}).json() == {"sent": 1}
    assert client.received == [{"n": 1}]


def test_limit_of_channels_holds(client: WebSocketClient) -> None:
    replies = [client.control("subscribe", channel=name) for name in ("news", "chat", "sport")]

    assert [reply.error for reply in replies] == [None, None, "too_many_channels"]


def test_who_has_just_subscribed_is_reached(client: WebSocketClient) -> None:
    client.control("subscribe", channel="news")

    assert client.send({"handler": "to_channel"}).json() == {"sent": 1}
    assert broadcast({}, channel="news").delivered == 1


@pytest.mark.parametrize("on_commit", [False, True])
def test_every_audience_is_reached(client: WebSocketClient, on_commit: bool) -> None:
    session = WebSocketSession.objects.using("default").get()

    for audience in ({"user": session.user}, {"everyone": True}, {"connection_ids": [session.connection_id]}):
        broadcast({}, on_commit=on_commit, **audience)
    WebSocketSession.objects.filter(user=session.user_id).send_message({}, on_commit=on_commit)
    WebSocketSession.objects.order_by("-pk")[:1].send_message({}, on_commit=on_commit)

    assert len(client.received) == 5


def test_a_query_that_names_the_replica_is_read_there(client: WebSocketClient) -> None:
    assert WebSocketSession.objects.using("replica").send_message({}).recipients == 0


def test_a_saved_broadcast_has_its_recipients_and_figures(client: WebSocketClient) -> None:
    run = runs.create_run(b"{}")

    assert run.recipients == 1
    assert summaries.summarize(run.pk).shards == 1
    assert [found.run.pk for found in summaries.recent_runs()] == [run.pk]


def test_a_rule_that_closes_a_channel_holds_at_once(client: WebSocketClient) -> None:
    ChannelPermission.objects.create(channel_name="staff", audience=ChannelPermission.Access.STAFF)

    assert client.control("subscribe", channel="staff").error == "channel_denied"


def test_an_attempt_beyond_the_limit_is_refused_without_an_insert() -> None:
    gateway, user = ApiGatewayFactory.create(), UserFactory.create()
    tokens = [issue_token(user) for _ in range(4)]

    replies = [
        WebSocketClient(StackView, gateway=gateway, RATE_LIMIT_MAX_ATTEMPTS=2).connect(token=token)
        for token in tokens
    ]

    assert [reply.status_code for reply in replies] == [200, 200, 429, 429]
    assert ConnectionRateLimit.objects.using("default").filter(key__startswith="connect").count() == 1


def test_connection_is_ended_by_its_own_disconnect(client: WebSocketClient) -> None:
    assert client.disconnect().ok
    assert not WebSocketSession.objects.using("default").get().connected


def test_user_whose_row_is_on_the_replica_too_is_let_in(settings: Any) -> None:
    """The router of all tables: session, user and gateway come from two databases."""

    class Everything(ToReplica):
        def db_for_read(self, model: Any, **hints: Any) -> str:
            return "replica"

    user = user_with("view_user")
    Permission.objects.using("default").first()
    settings.DATABASE_ROUTERS = [Everything()]
    client = WebSocketClient(EchoView, gateway=ApiGatewayFactory.create())

    assert client.connect(user=user).ok
    assert client.control("ping").ok


@pytest.mark.parametrize("engine", ["db", "cached_db"])
def test_session_that_the_replica_does_not_have_yet_is_alive(settings: Any, engine: str) -> None:
    settings.SESSION_ENGINE = ENGINES[engine]
    cache.clear()
    user = UserFactory.create()
    made = import_module(settings.SESSION_ENGINE).SessionStore()
    made["user"] = "ada"
    made.create()
    made["user"] = "ada"
    made.save()
    key = made.session_key
    cache.clear()
    assert import_module(settings.SESSION_ENGINE).SessionStore(key).load() == {}

    client = WebSocketClient(EchoView, gateway=ApiGatewayFactory.create())
    assert client.connect(token=issue_token(user, key)).ok

    assert purge(only=[Part.LOGINS]).counts == {"sessions_ended_logged_out": 0}
    connections["default"].cursor().execute("DELETE FROM django_session")
    assert purge(only=[Part.LOGINS]).counts == {"sessions_ended_logged_out": 1}
