"""The strange project's tests: one day of a connection, in a project of which nothing is as usual."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.core import checks
from django.core.management import call_command
from django.db import connections, transaction
from django.test import Client
from django.utils import timezone
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Origin

from tests.factories import ApiGatewayFactory
from tests.strange_project.people.backends import DIRECTORY, Entry
from tests.strange_project.routers import catch_up
from websocket_gateway.connections import revoke
from websocket_gateway.diagnostics import diagnose
from websocket_gateway.models import ApiGateway, BroadcastRun, WebSocketSession, WebSocketToken
from websocket_gateway.purging import purge
from websocket_gateway.receiving.limits import count_attempt
from websocket_gateway.sending import broadcast, runs, work_until_finished
from websocket_gateway.testing import FakeConnections, WebSocketClient
from websocket_gateway.testing.events import connect_query

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "replica"])
HOST = {"HTTP_HOST": "strange.example.com", "secure": True}
PATH = "/en/ws/"
MAY = frozenset({"people.use_desk"})


@pytest.fixture(autouse=True)
def directory() -> Iterator[None]:
    DIRECTORY["ada@example.com"] = Entry("engine", MAY)
    DIRECTORY["eve@example.com"] = Entry("apple")
    yield
    DIRECTORY.clear()


@pytest.fixture(autouse=True)
def gateway() -> ApiGateway:
    made = ApiGatewayFactory.create(target_base_endpoint="https://strange.example.com/en/ws/")
    catch_up()
    return made


@pytest.fixture
def browser() -> Client:
    return logged_in("ada@example.com", "engine")


def logged_in(email: str, password: str) -> Client:
    client = Client(raise_request_exception=False)
    assert client.login(email=email, password=password)
    return client


def person(email: str = "ada@example.com") -> Any:
    return get_user_model()._default_manager.using("default").get(email=email)


def token_of(browser: Client) -> str:
    response = browser.post("/en/token/", **HOST)  # type: ignore[arg-type]
    assert response.status_code == 200, response.content
    return str(response.json()["token"])


@pytest.fixture
def opened(browser: Client, gateway: ApiGateway, fake_connections: FakeConnections) -> WebSocketClient:
    client = WebSocketClient(PATH, gateway=gateway, connections=fake_connections)
    assert client.connect(token=token_of(browser)).ok
    return client


def row(client: WebSocketClient) -> WebSocketSession:
    found: WebSocketSession = WebSocketSession.objects.using("default").get(
        connection_id=client.connection_id
    )
    return found


def test_the_project_is_as_strange_as_it_says(settings: Any, opened: WebSocketClient) -> None:
    assert not settings.USE_TZ
    assert connections["default"].settings_dict["ATOMIC_REQUESTS"]
    assert not hasattr(get_user_model(), "username")
    assert not WebSocketSession.objects.exists()
    assert person().pk.version == 4


def test_the_page_has_the_address_and_the_mark_of_its_user(browser: Client, gateway: ApiGateway) -> None:
    for language in ("de", "en"):
        page = browser.get(f"/{language}/", **HOST).content.decode()  # type: ignore[arg-type]
        found = re.search(r'type="application/json">(.*?)</script>', page)
        assert found is not None
        config = json.loads(found[1])
        assert config["url"] == f"{gateway.api_endpoint}/production"
        assert config["tokenUrl"] == f"/{language}/token/"
        assert len(config["user"]) == 64
    issued = browser.post("/de/token/", **HOST).json()  # type: ignore[arg-type]
    assert issued["user"] == config["user"]


def test_messages_replies_and_sending(opened: WebSocketClient) -> None:
    reply = opened.send({"handler": "echo", "text": "hi"}).json()

    assert reply == {"user": "ada@example.com", "language": "en", "sent": 1}
    assert opened.received == [{"echo": "hi"}]


def test_who_has_no_permission_is_refused(gateway: ApiGateway) -> None:
    client = WebSocketClient(PATH, gateway=gateway)

    assert client.connect(token=token_of(logged_in("eve@example.com", "apple"))).status_code == 403
    assert WebSocketClient(PATH, gateway=gateway).connect().status_code == 403


def test_a_token_is_used_once(browser: Client, gateway: ApiGateway) -> None:
    token = token_of(browser)
    statuses = [WebSocketClient(PATH, gateway=gateway).connect(token=token).status_code for _ in range(2)]

    assert statuses == [200, 403]


def test_channels_and_their_limit(opened: WebSocketClient) -> None:
    errors = [opened.control("subscribe", channel=name).error for name in ("one", "two", "three")]

    assert errors == [None, None, "too_many_channels"]
    assert broadcast({"n": 1}, channel="one").delivered == 1
    assert opened.control("unsubscribe", channel="one").ok
    assert broadcast({"n": 2}, channel="one").recipients == 0
    assert opened.received == [{"n": 1, "_ws": {"channel": "one"}}]


def test_every_audience(opened: WebSocketClient) -> None:
    for audience in ({"user": person()}, {"everyone": True}, {"connection_ids": [opened.connection_id]}):
        assert broadcast({}, **audience).delivered == 1
    call_command("broadcast", "--user", "ada@example.com", '{"by": "command"}')

    assert opened.received[-1] == {"by": "command"}


def test_a_broadcast_after_the_commit_and_none_after_a_rollback(opened: WebSocketClient) -> None:
    with transaction.atomic():
        assert broadcast({"n": 1}, everyone=True, on_commit=True).deferred
        assert opened.received == []
    with transaction.atomic():
        broadcast({"n": 2}, everyone=True, on_commit=True)
        transaction.set_rollback(True)

    assert opened.received == [{"n": 1}]


def test_a_saved_broadcast(opened: WebSocketClient) -> None:
    run = runs.create_run(b'{"n": 1}', user=person(), started_by=person())

    assert work_until_finished(run.pk).report.delivered == 1
    finished_on = BroadcastRun.objects.using("default").get().finished_on
    assert finished_on is not None
    assert finished_on.tzinfo is None


def test_the_database_of_a_handler_that_fails_is_rolled_back_and_the_socket_stays(
    opened: WebSocketClient,
) -> None:
    assert opened.send({"handler": "note"}).error == "internal_error"
    assert opened.send({"handler": "echo"}).ok


@pytest.mark.parametrize("how", ["removed", "permission", "inactive"])
def test_what_the_directory_says_holds_at_once(opened: WebSocketClient, how: str) -> None:
    if how == "removed":
        del DIRECTORY["ada@example.com"]
    elif how == "permission":
        DIRECTORY["ada@example.com"] = Entry("engine")
    else:
        person().__class__.objects.using("default").update(is_active=False)

    refused = opened.send({"handler": "echo"})

    assert refused.error in ("permission_denied", "not_connected", "unauthorized")
    assert row(opened).connected is (how == "permission")


def test_logout_ends_the_socket(
    opened: WebSocketClient, browser: Client, fake_connections: FakeConnections
) -> None:
    token = token_of(browser)
    assert browser.post("/en/logout/", **HOST).status_code == 302  # type: ignore[arg-type]

    assert fake_connections.closed == [opened.connection_id]
    assert not row(opened).connected
    assert not WebSocketToken.objects.using("default").filter(used_on=None).exists()
    assert WebSocketClient(PATH, gateway=opened.gateway).connect(token=token).status_code == 403


def test_revoke_closes_the_socket(opened: WebSocketClient, fake_connections: FakeConnections) -> None:
    assert revoke(WebSocketSession.objects.filter(user=person())) == 1
    assert fake_connections.closed == [opened.connection_id]


def test_disconnect(opened: WebSocketClient) -> None:
    assert opened.disconnect().ok
    ended = row(opened)
    assert not ended.connected
    assert ended.disconnected_on is not None


def test_purging_ends_and_deletes_what_is_old(opened: WebSocketClient) -> None:
    now = timezone.now()
    rows = WebSocketSession.objects.using("default")
    assert purge().counts.get("sessions_ended", 0) == 0
    assert row(opened).connected

    rows.update(created_on=now - timedelta(hours=3))
    purge()
    assert not row(opened).connected

    rows.update(disconnected_on=now - timedelta(days=60), created_on=now - timedelta(days=60))
    purge()
    assert not rows.exists()
    call_command("purge_connections", "--verify", verbosity=0)


def test_the_admin(opened: WebSocketClient, browser: Client) -> None:
    make_staff()
    BroadcastRun.objects.create(message=b"{}", audience="everyone")
    count_attempt("connect", "user:7", limit=5, window_seconds=60)  # a key of the time before the UUIDs
    count_attempt("connect", f"user:{person().pk}", limit=5, window_seconds=60)
    catch_up()
    base = "/en/admin/websocket_gateway/"
    names = [model._meta.model_name for model in admin.site._registry if "websocket" in model.__module__]
    pages = [f"{base}{name}/" for name in names]
    pages += [
        f"{base}apigateway/{opened.gateway.pk}/change/",
        f"{base}websocketsession/{row(opened).pk}/change/",
    ]
    pages += [f"{base}websocketsession/?user={person().pk}", f"{base}websocketsession/?user=7"]
    pages += [f"{base}websocketsession/?q=ada@example.com"]
    for page in pages:
        response = browser.get(page, **HOST)  # type: ignore[arg-type]
        assert response.status_code == 200, page

    assert len(names) >= 5
    assert opened.connection_id in response.content.decode()


def test_disconnecting_in_the_admin(
    opened: WebSocketClient, browser: Client, fake_connections: FakeConnections
) -> None:
    make_staff()
    catch_up()

    response = browser.post(
        "/en/admin/websocket_gateway/websocketsession/",
        {"action": "disconnect", "_selected_action": [str(row(opened).pk)], "step": "apply"},
        **HOST,  # type: ignore[arg-type]
    )

    assert response.status_code == 302, response.content
    assert fake_connections.closed == [opened.connection_id]
    assert not row(opened).connected


def make_staff() -> None:
    get_user_model()._default_manager.using("default").update(is_staff=True, is_superuser=True)


def test_over_real_sockets(browser: Client, live_server: Any, django_local_gateway: Any) -> None:
    ApiGateway.objects.using("default").delete()
    target = f"{live_server.url}/de/ws/"
    call_command("create_gateway", "desk", target=target, interactive=False, verbosity=0)
    made = ApiGateway.objects.using("default").get()
    catch_up()
    url = f"{made.api_endpoint}/{made.stage_name}?{connect_query(token=token_of(browser), channel='desk')}"

    with connect(url, origin=Origin("https://strange.example.com"), proxy=None) as socket:
        socket.send(json.dumps({"handler": "echo", "text": "hi"}))
        frames = [json.loads(socket.recv(timeout=10)) for _ in range(2)]
        assert {"echo": "hi"} in frames
        assert {"user": "ada@example.com", "language": "de", "sent": 1} in frames
        socket.send(json.dumps({"handler": "note"}))
        assert "internal_error" in str(socket.recv(timeout=10))
        assert broadcast({"n": 1}, channel="desk").delivered == 1
        assert json.loads(socket.recv(timeout=10)) == {"n": 1, "_ws": {"channel": "desk"}}
        assert revoke(WebSocketSession.objects.all()) == 1
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=10)

    django_local_gateway.wait_until(lambda: not django_local_gateway.connections())
    call_command("sync_routes", "desk", check=True, verbosity=0)
    call_command("delete_gateway", "desk", interactive=False, verbosity=0)
    assert not ApiGateway.objects.using("default").exists()


def test_the_checks_tell_of_the_cookies_alone() -> None:
    found = [*checks.run_checks(), *diagnose().findings]

    assert {item.id for item in found if "websocket" in str(item.id)} == {"websocket_gateway.W014"}
