"""How many queries an event costs; permissions and `can_join_channel` apart."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models.sql.compiler import SQLCompiler
from django.http import HttpRequest
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.factories import ApiGatewayFactory, UserFactory, WebSocketSessionFactory
from tests.support.logins import log_in
from tests.views.stack import Stack
from tests.views.urls import StackView
from websocket_gateway.logins import hash_session_auth
from websocket_gateway.models import WebSocketSession
from websocket_gateway.receiving.tokens import issue_token
from websocket_gateway.testing import WebSocketClient

pytestmark = pytest.mark.django_db

COUNTED = ("SELECT", "INSERT", "UPDATE", "DELETE")


@contextmanager
def queries(expected: list[str]) -> Iterator[None]:
    """Assert which statements run, in order; transaction control is not counted."""
    with CaptureQueriesContext(connection) as captured:
        yield
    verbs = [query["sql"].split(None, 1)[0].upper() for query in captured.captured_queries]
    found = [verb for verb in verbs if verb in COUNTED]
    assert found == expected, "\n".join(query["sql"] for query in captured.captured_queries)


class OpenView(StackView):
    """Without the query of `can_join_channel`."""

    def can_join_channel(self, request: HttpRequest, channel_name: str) -> bool:
        return True


@pytest.fixture
def client() -> WebSocketClient:
    """A client whose gateway this process knows already."""
    gateway = ApiGatewayFactory.create(default_channel_name="lobby")
    made = WebSocketClient(OpenView, gateway=gateway)
    WebSocketClient(OpenView, gateway=gateway).connect(user=UserFactory.create(), source_ip="198.51.100.9")
    return made


def test_first_connect_of_a_user_costs_six(client: WebSocketClient) -> None:
    token = issue_token(UserFactory.create())

    # Token, user counter (which is new), row, how many rows there are then.
    with queries(["SELECT", "UPDATE", "UPDATE", "INSERT", "INSERT", "SELECT"]):
        assert client.connect(token=token).ok


def test_later_connect_costs_five(client: WebSocketClient) -> None:
    user = UserFactory.create()
    WebSocketClient(OpenView, gateway=client.gateway).connect(user=user)
    token = issue_token(user)

    with queries(["SELECT", "UPDATE", "UPDATE", "INSERT", "SELECT"]):
        assert client.connect(token=token).ok


def test_connect_without_limit_of_connections_costs_four(client: WebSocketClient, settings: Any) -> None:
    settings.WEBSOCKET_GATEWAY = {**settings.WEBSOCKET_GATEWAY, "MAX_CONNECTIONS_PER_USER": 0}
    user = UserFactory.create()
    WebSocketClient(OpenView, gateway=client.gateway).connect(user=user)
    token = issue_token(user)

    with queries(["SELECT", "UPDATE", "UPDATE", "INSERT"]):
        assert client.connect(token=token).ok


def test_origin_that_is_not_allowed_costs_nothing_but_a_valid_token(client: WebSocketClient) -> None:
    token = issue_token(UserFactory.create())

    for given, expected in ((token, ["SELECT", "UPDATE"]), ("wrong", []), (None, [])):
        with queries(expected):
            assert client.connect(origin="https://evil.example", token=given).error == "origin_denied"


@pytest.mark.urls("tests.views.urls")
def test_session_of_a_token_costs_a_connect_one_more(client: WebSocketClient) -> None:
    user = UserFactory.create()
    browser = Client()
    browser.force_login(user)
    token = browser.post("/token/").json()["token"]

    with CaptureQueriesContext(connection) as captured:
        response = Stack(client.gateway, client=browser).connect(token=token)

    assert response.status_code == 200
    # The cookie of the connection itself is not looked up: the session engine is asked about the token's.
    statements = [query["sql"] for query in captured.captured_queries]
    counted = [sql for sql in statements if sql.startswith(COUNTED) and "channelpermission" not in sql]
    assert len(counted) == 7, "\n".join(counted)


def test_message_costs_one_select(client: WebSocketClient) -> None:
    client.connect(user=UserFactory.create())

    with queries(["SELECT"]):
        assert client.send({"handler": "say"}).ok


def test_message_compiles_no_statement(client: WebSocketClient, monkeypatch: pytest.MonkeyPatch) -> None:
    client.connect(user=UserFactory.create())
    assert client.send({"handler": "say"}).ok
    compiled = []
    original = SQLCompiler.pre_sql_setup

    def pre_sql_setup(self: Any, *args: Any, **kwargs: Any) -> Any:
        compiled.append(self.query.model)
        return original(self, *args, **kwargs)

    monkeypatch.setattr(SQLCompiler, "pre_sql_setup", pre_sql_setup)

    with queries(["SELECT"]):
        assert client.send({"handler": "say"}).ok

    assert compiled == []


def test_message_updates_last_seen_once_a_minute(client: WebSocketClient) -> None:
    client.connect(user=UserFactory.create())
    WebSocketSession.objects.update(last_seen_on=timezone.now() - timedelta(seconds=61))

    with queries(["SELECT", "UPDATE"]):
        client.send({"handler": "say"})
    with queries(["SELECT"]):
        client.send({"handler": "say"})
    assert timezone.now() - client.session.last_seen_on < timedelta(seconds=30)


def test_session_engine_is_asked_once_a_minute(client: WebSocketClient) -> None:
    user = UserFactory.create()
    client.connect(token=issue_token(user, log_in(user)))
    with queries(["SELECT"]):
        client.send({"handler": "say"})
    WebSocketSession.objects.update(last_seen_on=timezone.now() - timedelta(seconds=61))

    with CaptureQueriesContext(connection) as captured:
        assert client.send({"handler": "say"}).ok
    about_sessions = [query for query in captured.captured_queries if "django_session" in query["sql"]]
    with queries(["SELECT"]):
        client.send({"handler": "say"})

    assert (len(about_sessions), len(captured)) == (1, 3)


def test_ping_costs_one_select(client: WebSocketClient) -> None:
    client.connect(user=UserFactory.create())

    with queries(["SELECT"]):
        client.control("ping")


def test_frame_that_is_no_json_costs_nothing(client: WebSocketClient) -> None:
    client.connect(user=UserFactory.create())

    with queries([]):
        client.send("{")


def test_disconnect_within_the_window_of_its_attempt_costs_three(client: WebSocketClient) -> None:
    client.connect(user=UserFactory.create())

    with queries(["SELECT", "UPDATE", "UPDATE"]):
        client.disconnect()


def test_disconnect_later_costs_two(client: WebSocketClient) -> None:
    client.connect(user=UserFactory.create())
    WebSocketSession.objects.update(created_on=timezone.now() - timedelta(minutes=5))

    with queries(["SELECT", "UPDATE"]):
        client.disconnect()
    with queries(["SELECT", "UPDATE"]):
        client.disconnect()


def test_most_messages_of_a_busy_connection_cost_one_select(client: WebSocketClient) -> None:
    client.connect(user=UserFactory.create())

    with CaptureQueriesContext(connection) as captured:
        for _ in range(300):
            assert client.control("ping").ok

    verbs = [query["sql"].split(None, 1)[0] for query in captured.captured_queries]
    assert verbs.count("SELECT") == 300
    assert verbs.count("UPDATE") <= 20


def test_message_beyond_the_limit_costs_one_select(client: WebSocketClient, settings: Any) -> None:
    settings.WEBSOCKET_GATEWAY = {**settings.WEBSOCKET_GATEWAY, "MAX_MESSAGES_PER_MINUTE": 1}
    client.connect(user=UserFactory.create())
    client.control("ping")

    with queries(["SELECT"]):
        assert client.control("ping").error == "rate_limited"


def test_disconnect_of_an_unknown_connection_costs_two(client: WebSocketClient) -> None:
    with queries(["SELECT", "INSERT"]):
        client.disconnect()


def test_forged_event_costs_nothing(client: WebSocketClient) -> None:
    with queries([]):
        client.connect(token="x", headers={"wsOriginSecret": ""})


def test_channel_permission_costs_one_more() -> None:
    gateway = ApiGatewayFactory.create()
    user = UserFactory.create()
    session = WebSocketSessionFactory.create(
        api_gateway=gateway, user=user, session_auth_hash=hash_session_auth(user)
    )
    client: Any = WebSocketClient(StackView, gateway=gateway)
    client.connection_id = session.connection_id
    client.control("ping")

    # Session, permission row, the subscription itself, and how many there are then.
    with queries(["SELECT", "SELECT", "SELECT", "INSERT", "SELECT"]):
        assert client.control("subscribe", channel="news").ok
