"""The testing kit where a project is not the simplest: its URLs, sessions, users, gateways and frames."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf.urls.i18n import i18n_patterns
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.test import Client
from django.urls import path
from django.utils import translation
from django.views.generic import View

from tests.factories import ApiGatewayFactory, UserFactory
from websocket_gateway.models import WebSocketSession, WebSocketToken
from websocket_gateway.receiving.tokens import issue_token
from websocket_gateway.testing import WebSocketClient, websocket_clients
from websocket_gateway.views import WebSocketView

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.test_testing_kit")]


class RoomView(WebSocketView):
    def where(self, request: HttpRequest, room: str, number: int = 0) -> dict[str, Any]:
        match = getattr(request, "resolver_match", None)
        return {"room": room, "number": number, "path": request.path, "name": match and match.url_name}

    async def slowly(self, request: HttpRequest) -> dict[str, str]:
        return {"language": translation.get_language()}

    def move(self, request: HttpRequest, route: str) -> dict[str, str]:
        return {"route": route, "path": request.path}


class OpenView(WebSocketView):
    USE_WS_TOKEN = False

    def connect(self, request: HttpRequest) -> None:
        request.session["rooms"] = [*request.session.get("rooms", []), request.user.get_username()]

    def look(self, request: HttpRequest) -> dict[str, Any]:
        return {"session": dict(request.session), "user": request.user.get_username()}

    def default(self, request: HttpRequest) -> dict[str, int]:
        return {"bytes": len(request.body)}


class PinnedView(OpenView):
    aws_api_gateway_id = "pinned0001"


urlpatterns = [
    path("rooms/<slug:room>/<int:number>/<str:route>", RoomView.as_view(), name="room"),
    path("open/<str:route>", OpenView.as_view()),
    path("open/", View.as_view()),
    *i18n_patterns(path("talk/<slug:room>/<str:route>", RoomView.as_view(), name="talk")),
]


def test_arguments_of_the_url_are_given_to_the_view(ws_client: Any) -> None:
    client = ws_client(RoomView, url_kwargs={"room": "blue", "number": 7})

    assert client.connect(user=UserFactory.create()).ok
    assert client.send({"handler": "where"}, reply_id="1").json()["room"] == "blue"
    assert client.send({"handler": "where"}, reply_id="1").json()["number"] == 7
    assert client.disconnect().ok


def test_arguments_come_from_the_urlconf_by_a_path(ws_client: Any) -> None:
    client = ws_client("/rooms/blue/7/")

    assert client.connect(user=UserFactory.create()).ok
    reply = client.send({"handler": "where"}, reply_id="1").json()
    assert {key: value for key, value in reply.items() if key != "_ws"} == {
        "room": "blue",
        "number": 7,
        "path": "/rooms/blue/7/default",
        "name": "room",
    }
    assert client.disconnect().ok
    assert not client.session.connected


def test_path_has_the_language_of_its_prefix(ws_client: Any, settings: Any) -> None:
    settings.USE_I18N = True
    settings.LANGUAGES = [("en", "English"), ("de", "Deutsch")]
    client = ws_client("/de/talk/blue/")

    assert client.connect(user=UserFactory.create()).ok
    assert client.send({"handler": "where"}, reply_id="1").json()["name"] == "talk"
    assert client.send({"handler": "slowly"}, reply_id="1").json()["language"] == "de"
    assert translation.get_language() == "en-us"


def test_frame_of_a_route_of_its_own_goes_to_its_url(ws_client: Any) -> None:
    client = ws_client("/rooms/blue/7/")
    client.connect(user=UserFactory.create())

    reply = client.send({"handler": "move"}, reply_id="1", route_key="move").json()

    assert (reply["route"], reply["path"]) == ("move", "/rooms/blue/7/move")


@pytest.mark.parametrize("wrong", ["/nowhere/", "/rooms/blue/", "rooms/blue/7", ""])
def test_path_that_leads_nowhere_is_an_error_that_says_what_to_give(ws_client: Any, wrong: str) -> None:
    with pytest.raises(ValueError, match=r"leads to no view of tests\.test_testing_kit\. Give what stands"):
        ws_client(wrong)


def test_arguments_that_would_be_ignored_are_an_error(ws_client: Any) -> None:
    with pytest.raises(TypeError, match="takes its arguments from the URLconf"):
        ws_client("/rooms/blue/7/", url_kwargs={"room": "red"})
    with pytest.raises(TypeError, match=r"as_view\(\) was called already"):
        ws_client(OpenView.as_view(), MAX_SUBSCRIPTIONS=1)


def test_path_follows_another_urlconf(ws_client: Any, settings: Any) -> None:
    client = ws_client("/open/")
    assert client.connect().ok

    settings.ROOT_URLCONF = "tests.urls"

    with pytest.raises(ValueError, match=r"no view of tests\.urls"):
        client.send({})


def test_session_of_a_logged_in_browser_connects_its_user(ws_client: Any) -> None:
    browser = Client()
    browser.force_login(UserFactory.create(username="ada"))
    client = ws_client(OpenView)

    assert client.connect(session=browser.session).ok

    assert client.session.user.get_username() == "ada"
    assert client.session.session_key_hash
    assert browser.session["rooms"] == ["ada"]  # saved, as the middleware does
    looked = client.send({"handler": "look"}, reply_id="1").json()
    assert (looked["session"], looked["user"]) == ({}, "ada")  # a message brings no cookie


def test_session_without_a_browser_is_a_dict(ws_client: Any) -> None:
    client = ws_client(OpenView)

    assert client.connect(session={"rooms": ["red"]}).ok
    assert client.session.user is None


def test_token_of_a_user_with_a_session_is_bound_to_it(ws_client: Any) -> None:
    browser, other = Client(), Client()
    user = UserFactory.create()
    browser.force_login(user)
    other.force_login(user)

    assert ws_client(RoomView, url_kwargs={"room": "x"}).connect(user=user, session=browser.session).ok
    bound = issue_token(user, browser.session.session_key)
    refused = ws_client(RoomView).connect(token=bound, session=other.session)
    assert refused.error == "invalid_token"


def test_two_hundred_clients_of_one_user(ws_client: Any) -> None:
    user = UserFactory.create()

    clients = [ws_client(OpenView, MAX_CONNECTIONS_PER_USER=0) for _ in range(200)]

    assert all(client.connect(user=user).ok for client in clients)
    assert WebSocketSession.objects.filter(user=user, connected=True).count() == 200


def test_limit_that_a_project_sets_holds_in_its_tests(ws_client: Any, settings: Any) -> None:
    user = UserFactory.create()
    limited = [ws_client(OpenView, RATE_LIMIT_MAX_ATTEMPTS=2).connect(user=user) for _ in range(3)]
    settings.WEBSOCKET_GATEWAY = {"RATE_LIMIT_MAX_ATTEMPTS": 3}
    by_settings = [ws_client(OpenView).connect(user=user) for _ in range(2)]

    assert [reply.status_code for reply in [*limited, *by_settings]] == [200, 200, 429, 200, 429]


def test_tokens_of_clients_are_not_those_that_the_user_has_fetched(ws_client: Any, settings: Any) -> None:
    settings.WEBSOCKET_GATEWAY = {"TOKEN_RATE_LIMIT_PER_MINUTE": 1}
    user = UserFactory.create()

    assert all(ws_client(OpenView).connect(user=user).ok for _ in range(3))
    assert issue_token(user)


def test_pinned_view_gets_the_gateway_that_it_is_pinned_to(ws_client: Any) -> None:
    other = ApiGatewayFactory.create()

    made, found = ws_client(PinnedView), ws_client(PinnedView)

    assert made.gateway.api_id == "pinned0001"
    assert found.gateway == made.gateway != other
    assert made.connect().ok
    assert ws_client(PinnedView, gateway=other).connect().status_code == 403


@pytest.mark.parametrize("frame", [b"\x00\x01\xff", "text", b'{"a": 1}'], ids=["binary", "text", "json"])
def test_frames_are_sent_byte_by_byte(ws_client: Any, frame: bytes | str, tmp_path: Any) -> None:
    file = tmp_path / "frames"
    file.write_bytes(frame.encode() if isinstance(frame, str) else frame)
    client = ws_client(OpenView)
    client.connect()

    given, read = client.send(frame), client.send(file.read_bytes())

    assert (given.status_code, given.content) == (read.status_code, read.content)


def test_anonymous_client_is_anonymous(ws_client: Any) -> None:
    client = ws_client(OpenView)

    assert client.connect().ok
    assert client.send({"handler": "look"}, reply_id="1").json()["user"] == AnonymousUser().get_username()


def test_token_may_come_as_a_subprotocol(ws_client: Any) -> None:
    client = ws_client(RoomView)

    reply = client.connect(subprotocol_token=issue_token(UserFactory.create()))

    assert reply.ok
    assert reply.response["Sec-WebSocket-Protocol"] == "websocket-gateway"
    assert WebSocketToken.objects.filter(used_on=None).count() == 0


def test_block_records_what_is_sent() -> None:
    with websocket_clients() as make:
        client: WebSocketClient = make(OpenView)
        client.connect()
        client.session.send_message({"hello": 1})

        assert client.received == [{"hello": 1}]
