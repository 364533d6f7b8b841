"""Rows of two databases with the same primary keys: what ends one does not end the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connections, transaction

from tests.factories import ApiGatewayFactory, WebSocketSessionFactory
from tests.purging.purges import ago
from websocket_gateway.connections import disconnect, revoke
from websocket_gateway.connections.verifying import verify
from websocket_gateway.models import ApiGateway, ChannelSubscription, WebSocketSession
from websocket_gateway.sending import broadcast
from websocket_gateway.testing import FakeConnections

pytestmark = pytest.mark.django_db(transaction=True)

OTHER_ADDRESS = "wss://other.execute-api.eu-west-1.amazonaws.com"


class ByTenant:
    """A router that chooses the database by what the test says, and looks at no hint."""

    alias = "default"

    def db_for_read(self, model: Any, **hints: Any) -> str:
        return type(self).alias

    db_for_write = db_for_read


@pytest.fixture
def other(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    connections.databases["other"] = {
        **connections.databases["default"],
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(tmp_path / "other.sqlite3"),
        "OPTIONS": {},
    }
    connections["other"].connect()  # before pytest-django asks which databases the test may open
    with connections["other"].schema_editor() as editor:
        for model in (User, ApiGateway, WebSocketSession, ChannelSubscription):
            editor.create_model(model)
    monkeypatch.setattr(ByTenant, "alias", "default")
    yield "other"
    connections["other"].close()
    del connections["other"]
    del connections.databases["other"]


@pytest.fixture
def pair(other: str) -> tuple[WebSocketSession, WebSocketSession]:
    """A session of each database, with the same primary keys as its gateway has."""
    mine = WebSocketSessionFactory.create(
        connection_id="mine=", channel_name="lobby", created_on=ago(hours=1)
    )
    gateway = ApiGatewayFactory.build(pk=mine.api_gateway_id, api_endpoint=OTHER_ADDRESS)
    gateway.save(using=other, force_insert=True)
    theirs = WebSocketSession(
        pk=mine.pk,
        connection_id="theirs=",
        channel_name="lobby",
        api_gateway=gateway,
        created_on=ago(hours=1),
    )
    theirs.save(using=other, force_insert=True)
    return mine, theirs


def connected(pair: tuple[WebSocketSession, WebSocketSession]) -> list[str]:
    for session in pair:
        session.refresh_from_db(using=session._state.db)
    return [session.connection_id for session in pair if session.connected]


def test_a_socket_that_is_gone_ends_in_its_own_database(
    pair: tuple[WebSocketSession, WebSocketSession], fake_connections: FakeConnections
) -> None:
    fake_connections.gone.add("theirs=")

    assert WebSocketSession.objects.using("other").send_message({}).gone == 1

    assert connected(pair) == ["mine="]


@pytest.mark.parametrize("whole", [True, False], ids=["query", "session"])
def test_a_message_goes_to_the_session_and_gateway_of_its_own_database(
    pair: tuple[WebSocketSession, WebSocketSession], fake_connections: FakeConnections, whole: bool
) -> None:
    to = WebSocketSession.objects.using("other") if whole else WebSocketSession.objects.using("other").get()

    to.send_message({})

    sent = [(frame.connection_id, frame.endpoint.url) for frame in fake_connections.sent]
    assert [name for name, _url in sent] == ["theirs="]
    assert "//other.execute-api." in sent[0][1]


@pytest.mark.parametrize("end", [revoke, disconnect, lambda query: disconnect(list(query))])
def test_sockets_of_a_query_end_in_its_own_database(
    pair: tuple[WebSocketSession, WebSocketSession], fake_connections: FakeConnections, end: Any
) -> None:
    end(WebSocketSession.objects.using("other").all())

    assert connected(pair) == ["mine="]
    assert fake_connections.closed == ["theirs="]


def test_a_query_ends_in_its_own_database_whatever_the_router_names(
    pair: tuple[WebSocketSession, WebSocketSession], fake_connections: FakeConnections, settings: Any
) -> None:
    settings.DATABASE_ROUTERS = [ByTenant()]

    assert revoke(WebSocketSession.objects.using("other")) == 1

    assert connected(pair) == ["mine="]


def test_verifying_ends_sessions_in_their_own_database(
    pair: tuple[WebSocketSession, WebSocketSession], fake_connections: FakeConnections
) -> None:
    fake_connections.gone.add("theirs=")

    found = verify(pair)

    assert (found.open, found.closed, found.ended) == (1, 1, 1)
    assert connected(pair) == ["mine="]


@pytest.mark.parametrize("heard", [True, False], ids=["heard", "unheard"])
def test_a_commit_after_the_tenant_was_left_ends_no_row_of_another_tenant(
    pair: tuple[WebSocketSession, WebSocketSession],
    fake_connections: FakeConnections,
    settings: Any,
    heard: bool,
    request: pytest.FixtureRequest,
) -> None:
    if heard:
        request.getfixturevalue("heard")
    settings.DATABASE_ROUTERS = [ByTenant()]
    fake_connections.gone.add("theirs=")

    with transaction.atomic(using="other"):
        ByTenant.alias = "other"
        assert broadcast({}, everyone=True).gone == 1
        ByTenant.alias = "default"

    assert connected(pair) == ["mine="]


@pytest.mark.parametrize(
    "audience",
    [{"everyone": True}, {"channel": "lobby"}, {"connection_ids": ["mine=", "theirs="]}],
    ids=["everyone", "channel", "ids"],
)
def test_a_message_on_commit_goes_to_the_tenant_of_its_call(
    pair: tuple[WebSocketSession, WebSocketSession],
    fake_connections: FakeConnections,
    settings: Any,
    audience: dict[str, Any],
) -> None:
    settings.DATABASE_ROUTERS = [ByTenant()]

    with transaction.atomic(using="other"):
        ByTenant.alias = "other"
        assert broadcast({}, on_commit=True, **audience).deferred
        ByTenant.alias = "default"

    assert [frame.connection_id for frame in fake_connections.sent] == ["theirs="]


def test_a_session_of_another_tenant_is_not_written_to_under_the_same_key(
    pair: tuple[WebSocketSession, WebSocketSession], fake_connections: FakeConnections, settings: Any
) -> None:
    settings.DATABASE_ROUTERS = [ByTenant()]

    pair[1].send_message({})

    assert fake_connections.sent == []
