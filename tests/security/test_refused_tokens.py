"""A token that came with a refused attempt opens nothing any more, whatever the reason of the refusal was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext

from tests.factories import ApiGatewayFactory, ChannelPermissionFactory, UserFactory
from tests.threads import run_together
from tests.views.stack import Stack
from tests.views.test_queries import queries
from tests.views.urls import StackView
from websocket_gateway.logins import sha256
from websocket_gateway.models import ConnectionRateLimit, WebSocketSession, WebSocketToken
from websocket_gateway.receiving.tokens import consume_token, issue_token
from websocket_gateway.testing import connect_request, message_request
from websocket_gateway.testing.events import DEFAULT_ORIGIN

pytestmark = pytest.mark.usefixtures("within_one_minute")

EVIL = "https://evil.example"
STRANGE = "A" * 43  # of the right form, and nobody's


@pytest.fixture(autouse=True)
def origin_is_allowed(settings: Any) -> None:
    settings.WEBSOCKET_GATEWAY = {"ALLOWED_ORIGINS": [DEFAULT_ORIGIN]}


class RefusingView(StackView):
    """Refuses by hooks."""

    def connect(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse(status=403)


class FailingView(StackView):
    """Fails before the token is looked at."""

    required_connection_headers = ("Sec-WebSocket-Key",)

    def missing_headers(self, request: HttpRequest) -> HttpResponse:
        raise LookupError


def attempt(view: Any = StackView, *, as_subprotocol: bool = False, **options: Any) -> Any:
    """A trial: an attempt with the token and these options of the client and the view."""
    kwargs = {name: options.pop(name) for name in list(options) if name.isupper() or name[:4] == "aws_"}

    def refuse(make: Any, token: str) -> Any:
        given = {"subprotocol_token" if as_subprotocol else "token": token}
        return make(view, **kwargs).connect(**given, **options)

    return refuse


def another_user_is_full(make: Any, token: str) -> Any:
    user = WebSocketToken.objects.get().user
    assert make(StackView).connect(user=user).ok
    return make(StackView, MAX_CONNECTIONS_PER_USER=1).connect(token=token)


def by_a_channel_rule(make: Any, token: str) -> Any:
    ChannelPermissionFactory.create(channel_name="staff", audience="staff")
    return make(StackView).connect(token=token, channel="staff")


def twice_in_one_query(make: Any, token: str) -> Any:
    request = connect_request(make(StackView).gateway, token=token)
    request.META["QUERY_STRING"] += f"&ws_token={token}"
    return StackView.as_view()(request, route="connect")


def of_a_message(make: Any, token: str) -> Any:
    request = message_request(make(StackView).gateway, "unknown=", {"handler": "say"})
    request.META["QUERY_STRING"] = f"ws_token={token}"
    return StackView.as_view()(request, route="default")


def of_too_many_fields(make: Any, token: str) -> Any:
    request = message_request(make(StackView).gateway, "unknown=", {"handler": "say"})
    request.META["QUERY_STRING"] = f"{'x=1&' * 2_000}ws_token={token}"
    return StackView.as_view()(request, route="default")


def by_another_method(make: Any, token: str) -> Any:
    return StackView.as_view()(RequestFactory().get("/ws/connect", {"ws_token": token}), route="connect")


REFUSED: dict[str, Callable[[Any, str], Any]] = {
    "origin": attempt(origin=EVIL),
    "origin, as subprotocol": attempt(origin=EVIL, as_subprotocol=True),
    "rate limit": lambda make, token: [
        make(StackView, RATE_LIMIT_MAX_ATTEMPTS=1).connect(user=WebSocketToken.objects.get().user),
        make(StackView, RATE_LIMIT_MAX_ATTEMPTS=1).connect(token=token),
    ][-1],
    "too many connections": another_user_is_full,
    "view of another gateway": lambda make, token: make(StackView, aws_api_gateway_id="other").connect(
        token=token, headers={"X-Amzn-Apigateway-Api-Id": ApiGatewayFactory.create().api_id}
    ),
    "unknown gateway": attempt(headers={"X-Amzn-Apigateway-Api-Id": "unknown"}),
    "wrong secret": attempt(headers={"wsOriginSecret": "guess"}),
    "missing header": attempt(headers={"Sec-WebSocket-Key": ""}),
    "missing header of every event": attempt(headers={"connectionId": ""}),
    "hook that fails": attempt(FailingView, headers={"Sec-WebSocket-Key": ""}),
    "forged event": attempt(headers={"wsSourceIp": "everywhere"}),
    "permission": attempt(type("Guarded", (StackView,), {"permissions_required": ["auth.add_user"]})),
    "connect hook": attempt(RefusingView),
    "channel name": attempt(channel="a b"),
    "channel rule": by_a_channel_rule,
    "two tokens": twice_in_one_query,
    "message": of_a_message,
    "too many fields": of_too_many_fields,
    "method": by_another_method,
    "body too large": attempt(headers={"Content-Length": "999999"}),
}


@pytest.mark.django_db
@pytest.mark.parametrize("why", REFUSED)
def test_token_of_a_refused_attempt_opens_nothing(why: str, ws_client: Any) -> None:
    token = issue_token(UserFactory.create())

    answer = REFUSED[why](ws_client, token)

    assert answer.status_code >= 400
    assert WebSocketToken.objects.get(token_hash=sha256(token)).used_on is not None
    assert consume_token(token) is None
    assert ws_client(StackView).connect(token=token).error == "invalid_token"


@pytest.mark.django_db
@pytest.mark.urls("tests.views.urls")
def test_token_of_another_session_is_used_up(client: Client) -> None:
    user = UserFactory.create()
    client.force_login(user)
    token = issue_token(user, session_key="another")
    gateway = ApiGatewayFactory.create()

    assert Stack(gateway, client=client).connect(token=token).status_code == 403

    assert Stack(gateway).connect(token=token).status_code == 403


@pytest.mark.django_db
class TestStatements:
    """What a refused attempt costs, and that others are not touched."""

    def test_stranger_without_a_valid_token_writes_nothing(self, ws_client: Any) -> None:
        client = ws_client(StackView)
        client.connect(user=UserFactory.create())

        for token, expected in ((STRANGE, ["SELECT"]), ("wrong", []), (None, [])):
            with queries(expected):
                assert client.connect(origin=EVIL, token=token).error == "origin_denied"
        assert not ConnectionRateLimit.objects.filter(key__contains=":ip:").exists()

    def test_used_token_writes_nothing_either(self, ws_client: Any) -> None:
        client, token = ws_client(StackView), issue_token(UserFactory.create())
        assert client.connect(token=token).ok

        with queries(["SELECT"]):
            client.connect(origin=EVIL, token=token)

    def test_valid_token_costs_one_write(self, ws_client: Any) -> None:
        client, token = ws_client(StackView), issue_token(UserFactory.create())
        client.connect(user=UserFactory.create())

        with queries(["SELECT", "UPDATE"]):
            client.connect(origin=EVIL, token=token)

    def test_many_tokens_in_one_request_are_one_look(self, rf: RequestFactory) -> None:
        tokens = [f"{number:043}" for number in range(900)]
        with CaptureQueriesContext(connection) as captured:
            StackView.as_view()(rf.get("/ws/connect", {"ws_token": tokens}), route="connect")

        assert len(captured) == 1

    def test_other_tokens_of_the_user_and_of_others_stay_good(self, ws_client: Any) -> None:
        user = UserFactory.create()
        refused, own, others = issue_token(user), issue_token(user), issue_token(UserFactory.create())
        for _ in range(50):
            ws_client(StackView).connect(origin=EVIL, token=refused)

        assert ws_client(StackView).connect(token=own).ok
        assert ws_client(StackView).connect(token=others).ok


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("refused", [0, 10])
def test_twenty_attempts_at_once_with_one_token_open_one_connection_at_most(refused: int) -> None:
    gateway, user = ApiGatewayFactory.create(), UserFactory.create()
    token = issue_token(user)

    def connect(origin: str) -> Callable[[], int]:
        from websocket_gateway.testing import WebSocketClient

        client = WebSocketClient(StackView, gateway=gateway)
        return lambda: client.connect(token=token, origin=origin).status_code

    origins = [EVIL] * refused + [DEFAULT_ORIGIN] * (20 - refused)
    statuses = run_together(*map(connect, origins))

    assert statuses.count(200) == WebSocketSession.objects.filter(connected=True).count() <= 1
    if not refused:
        assert statuses.count(200) == 1
    assert WebSocketToken.objects.get().used_on is not None
