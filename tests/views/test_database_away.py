"""A database server that is cut off: before a handler has run the client is told to try again.

On SQLite the server's part is played by a folder that cannot be opened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, close_old_connections, connection, connections
from django.http import HttpRequest
from django.test import Client
from django.urls import path

from tests.factories import ApiGatewayFactory, UserFactory
from tests.support.tcp_proxy import TcpProxy, tcp_proxy
from tests.views.stack import Stack
from websocket_gateway.models import WebSocketSession
from websocket_gateway.receiving.authentication import forget_gateways
from websocket_gateway.views import WebSocketTokenView, WebSocketView

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.urls(__name__),
    pytest.mark.usefixtures("within_one_minute"),
]
servers = pytest.mark.skipif(connection.vendor == "sqlite", reason="needs a server")


class BankView(WebSocketView):
    ran: ClassVar[list[str]] = []
    lose: ClassVar[Callable[[], object]] = staticmethod(lambda: None)

    def pay(self, request: HttpRequest) -> dict[str, Any]:
        self.ran.append("pay")
        type(self).lose()
        return {"users": User.objects.count()}

    def connect(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        self.ran.append("connect")


urlpatterns = [
    path("ws/<str:route>", BankView.as_view()),
    path("once/<str:route>", BankView.as_view(deduplicate=True)),
    path("token/", WebSocketTokenView.as_view()),
]


class Database:
    """The database of the test, as a thing that can go away and come back."""

    def __init__(self, proxy: TcpProxy | None, file: Path) -> None:
        self.proxy = proxy
        self._file = file
        self._name = connection.settings_dict["NAME"]

    def leave(self) -> None:
        if self.proxy is not None:
            self.proxy.cut()
        else:
            connection.close()
            connection.settings_dict["NAME"] = str(self._file)

    def come_back(self) -> None:
        if self.proxy is not None:
            self.proxy.restore()
        else:
            connection.settings_dict["NAME"] = self._name
        connection.close()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    settings, before = connection.settings_dict, dict(connection.settings_dict)
    if connection.vendor == "sqlite":
        yield Database(None, tmp_path / "nowhere" / "db.sqlite3")
    else:
        plain = {"sslmode": "disable"} if connection.vendor == "postgresql" else {}
        port = 5432 if connection.vendor == "postgresql" else 3306
        with tcp_proxy(int(settings["PORT"] or port)) as proxy:
            connection.close()
            settings |= {"HOST": "127.0.0.1", "PORT": str(proxy.port)}
            settings["OPTIONS"] = {**settings["OPTIONS"], **plain}
            yield Database(proxy, tmp_path)
            connection.close()
    settings |= before
    connection.close()


@pytest.fixture(params=["/ws/", "/once/"])
def stack(request: pytest.FixtureRequest, database: Database) -> Stack:
    BankView.ran.clear()
    BankView.lose = staticmethod(lambda: None)
    browser = Client(raise_request_exception=False)
    browser.force_login(UserFactory.create())
    made = Stack(ApiGatewayFactory.create(), base=request.param, client=browser)
    assert made.connect(token=browser.post("/token/").json()["token"]).status_code == 200
    BankView.ran.clear()
    return made


PAY = {"handler": "pay", "_ws": {"id": "c7", "client": "page-1"}}


def pay(stack: Stack) -> tuple[int, str | None, str | None]:
    """Send, as in a request of its own: status, code of the error, and the message that is answered."""
    close_old_connections()
    answer = stack.send(PAY)
    ours = answer.json()["_ws"]
    close_old_connections()
    return answer.status_code, ours.get("error", {}).get("code"), ours.get("reply_to")


BUSY = (503, "busy", "c7")
DONE = (200, None, "c7")


@pytest.mark.parametrize("known", [True, False], ids=["gateway known", "worker just started"])
def test_message_is_to_be_repeated_and_is_handled_once(stack: Stack, database: Database, known: bool) -> None:
    database.leave()
    if not known:
        forget_gateways()

    away = [pay(stack) for _ in range(2)]
    ran = list(BankView.ran)
    database.come_back()

    assert (away, ran) == ([BUSY, BUSY], [])
    assert pay(stack) == DONE
    assert BankView.ran == ["pay"]


def test_rows_of_gateways_that_are_too_old_do_not_keep_the_answer_back(
    stack: Stack, database: Database, settings: Any
) -> None:
    settings.WEBSOCKET_GATEWAY = {**settings.WEBSOCKET_GATEWAY, "GATEWAY_CACHE_SECONDS": 0}
    pay(stack)
    database.leave()

    assert pay(stack) == BUSY
    database.come_back()


def test_forged_event_learns_nothing_of_it(stack: Stack, database: Database) -> None:
    database.leave()
    forget_gateways()
    forged = stack.client.post(
        "/ws/default", b"{}", content_type="application/json", headers={"X-Amzn-Apigateway-Api-Id": "api1"}
    )
    database.come_back()

    assert (forged.status_code, forged.content) == (503, b"")


@servers
def test_connection_that_was_cut_while_idle_is_busy_once(
    stack: Stack, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection.close()
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", None)
    assert stack.send({"_ws": {"type": "ping"}}).status_code == 200
    assert database.proxy is not None
    database.proxy.restore()

    assert (pay(stack), BankView.ran) == (BUSY, [])
    assert (pay(stack), BankView.ran) == (DONE, ["pay"])


@servers
@pytest.mark.parametrize("table", ["websocketsession", "handledmessage"])
def test_connection_lost_during_a_statement_before_the_handler(
    stack: Stack, database: Database, table: str
) -> None:
    if table == "handledmessage" and stack.base == "/ws/":
        pytest.skip("only deduplicate writes there")
    assert database.proxy is not None
    database.proxy.cut_at = f"websocket_gateway_{table}".encode()

    assert (pay(stack), BankView.ran) == (BUSY, [])
    database.come_back()
    assert pay(stack) == DONE


def test_handler_that_loses_the_database_runs_again_with_deduplicate_only(
    stack: Stack, database: Database
) -> None:
    BankView.lose = staticmethod(database.leave)
    lost = pay(stack)
    database.come_back()
    BankView.lose = staticmethod(lambda: None)

    assert lost == (BUSY if stack.base == "/once/" else (500, "internal_error", "c7"))
    assert BankView.ran == ["pay"]
    assert pay(stack) == DONE


def test_handler_that_meets_a_locked_database_runs_again_with_deduplicate_only(stack: Stack) -> None:
    def locked() -> None:
        raise OperationalError("database is locked")

    BankView.lose = staticmethod(locked)

    assert pay(stack) == (BUSY if stack.base == "/once/" else (500, "internal_error", "c7"))


@pytest.mark.parametrize("atomic", [False, True], ids=["autocommit", "ATOMIC_REQUESTS"])
def test_connect_disconnect_and_token_are_answered_503(
    stack: Stack, database: Database, monkeypatch: pytest.MonkeyPatch, atomic: bool
) -> None:
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", atomic)
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", atomic)
    token = stack.client.post("/token/").json()["token"]
    late = Stack(stack.gateway, client=stack.client, base=stack.base)
    database.leave()

    answers = []
    for call in (lambda: late.connect(token=token), stack.disconnect, lambda: stack.client.post("/token/")):
        close_old_connections()
        answers.append(call())
        close_old_connections()
    database.come_back()

    assert [(answer.status_code, answer["Retry-After"]) for answer in answers] == [(503, "1")] * 3
    assert answers[-1].json() == {"error": "busy"}
    assert BankView.ran == []
    assert late.connect(token=token).status_code == 200
    assert stack.disconnect().status_code == 200
    assert WebSocketSession.objects.filter(connected=True).count() == 1


@servers
@pytest.mark.skipif(connection.vendor != "postgresql", reason="Django pools connections of PostgreSQL")
def test_pool_without_a_free_connection_is_busy(stack: Stack, database: Database) -> None:
    pytest.importorskip("psycopg_pool")
    connection.close()
    options = {**connection.settings_dict["OPTIONS"]}
    connection.settings_dict["OPTIONS"] = {**options, "pool": {"min_size": 1, "max_size": 1, "timeout": 0.2}}
    other = connection.copy()
    try:
        other.ensure_connection()
        assert (pay(stack), BankView.ran) == (BUSY, [])
        other.close()
        assert pay(stack) == DONE
    finally:
        connection.close()
        connection.close_pool()  # type: ignore[attr-defined]
        connection.settings_dict["OPTIONS"] = options
