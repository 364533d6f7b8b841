"""Each trust check: everything right passes, only that thing wrong fails, and nothing is changed."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.http import HttpRequest

from tests.factories import ApiGatewayFactory, UserFactory, WebSocketSessionFactory
from tests.views.urls import StackView
from websocket_gateway.logins import hash_session_auth
from websocket_gateway.models import ApiGateway, ConnectionRateLimit, WebSocketSession
from websocket_gateway.origin_secret import origin_secret
from websocket_gateway.receiving.tokens import issue_token
from websocket_gateway.testing import connect_request, disconnect_request, message_request
from websocket_gateway.testing.events import new_connection_id

pytestmark = pytest.mark.django_db


@pytest.fixture
def gateway() -> ApiGateway:
    return ApiGatewayFactory.create()


@pytest.fixture
def session(gateway: ApiGateway) -> WebSocketSession:
    user = UserFactory.create()
    row: WebSocketSession = WebSocketSessionFactory.create(
        api_gateway=gateway, user=user, session_auth_hash=hash_session_auth(user)
    )
    return row


def connect(gateway: ApiGateway, headers: dict[str, str] | None = None, **options: Any) -> Any:
    options.setdefault("token", issue_token(UserFactory.create()))
    return StackView.as_view()(connect_request(gateway, headers=headers, **options), route="connect")


def send(session: WebSocketSession, headers: dict[str, str] | None = None, **kwargs: Any) -> Any:
    frame = {"handler": "say", "text": "hello"}
    gateway = kwargs.pop("gateway", session.api_gateway)
    request = message_request(gateway, session.connection_id, frame, headers=headers)
    return StackView.as_view(**kwargs)(request, route="default")


def disconnect(session: WebSocketSession, headers: dict[str, str] | None = None) -> Any:
    request = disconnect_request(session.api_gateway, session.connection_id, headers=headers)
    return StackView.as_view()(request, route="disconnect")


def test_everything_right_passes(gateway: ApiGateway, session: WebSocketSession) -> None:
    assert connect(gateway).status_code == 200
    assert send(session).status_code == 200
    assert disconnect(session).status_code == 200


FORGED = [
    pytest.param({"wsOriginSecret": ""}, 403, id="no secret"),
    pytest.param({"wsOriginSecret": "0" * 64}, 403, id="wrong secret"),
    pytest.param({"wsOriginSecret": "é"}, 403, id="secret that is not ASCII"),
    pytest.param({"wsOriginSecret": origin_secret("another")}, 403, id="secret of another API"),
    pytest.param({"X-Amzn-Apigateway-Api-Id": "unknown"}, 403, id="unknown API id"),
    pytest.param({"X-Amzn-Apigateway-Api-Id": ""}, 400, id="no API id"),
    pytest.param({"connectionId": ""}, 400, id="no connection id"),
    pytest.param({"connectionId": "a,b"}, 400, id="connection id given twice"),
    pytest.param({"connectionId": "a b"}, 400, id="connection id with a space"),
    pytest.param({"connectionId": "é"}, 400, id="connection id that is not ASCII"),
    pytest.param({"connectionId": "a\x00"}, 400, id="connection id with NUL"),
    pytest.param({"connectionId": "x" * 256}, 400, id="connection id of 256 characters"),
    pytest.param({"wsEventType": ""}, 400, id="no event type"),
    pytest.param({"wsEventType": "connect"}, 400, id="event type in lower case"),
    pytest.param({"wsEventType": "CONNECT,MESSAGE"}, 400, id="two event types"),
    pytest.param({"wsEventType": "AUTHORIZE"}, 400, id="event type that does not exist"),
    pytest.param({"wsRouteKey": "$evil\x01"}, 400, id="route key that cannot be printed"),
    pytest.param({"wsSourceIp": "not an address"}, 400, id="source IP that is no address"),
    pytest.param({"wsSourceIp": "192.0.2.1,198.51.100.1"}, 400, id="two source IPs"),
    pytest.param({"Host": ""}, 400, id="no host"),
]


@pytest.mark.parametrize(("headers", "status"), FORGED)
def test_forged_connect_is_refused_and_leaves_no_trace(
    gateway: ApiGateway, headers: dict[str, str], status: int
) -> None:
    token = issue_token(UserFactory.create())

    response = connect(gateway, headers, token=token)

    assert (response.status_code, response.content) == (status, b"")
    assert not WebSocketSession.objects.exists()
    assert not ConnectionRateLimit.objects.filter(key__startswith="connect").exists()


@pytest.mark.parametrize(("headers", "status"), FORGED)
def test_forged_message_is_refused(session: WebSocketSession, headers: dict[str, str], status: int) -> None:
    response = send(session, headers)

    assert (response.status_code, response.content) == (status, b"")


@pytest.mark.parametrize(("headers", "status"), FORGED)
def test_forged_disconnect_ends_nothing(
    session: WebSocketSession, headers: dict[str, str], status: int
) -> None:
    response = disconnect(session, headers)

    assert (response.status_code, response.content) == (status, b"")
    assert WebSocketSession.objects.get().connected


@pytest.mark.parametrize(
    ("slug", "event_type"),
    [("connect", "MESSAGE"), ("disconnect", "MESSAGE"), ("default", "CONNECT"), ("default", "DISCONNECT")],
)
def test_slug_that_disagrees_with_the_event_type_is_400(
    session: WebSocketSession, slug: str, event_type: str
) -> None:
    request = message_request(
        session.api_gateway, session.connection_id, {}, headers={"wsEventType": event_type}
    )

    assert StackView.as_view()(request, route=slug).status_code == 400
    assert WebSocketSession.objects.get().connected


@pytest.mark.parametrize(
    ("slug", "route_key"), [("connect", "$default"), ("connect", "$disconnect"), ("connect", "say")]
)
def test_route_key_that_disagrees_with_the_event_type_is_400(
    gateway: ApiGateway, slug: str, route_key: str
) -> None:
    assert connect(gateway, {"wsRouteKey": route_key}).status_code == 400


def test_session_of_another_gateway_is_refused(session: WebSocketSession) -> None:
    other = ApiGatewayFactory.create()

    assert send(session, gateway=other).status_code == 403
    request = disconnect_request(other, session.connection_id)
    assert StackView.as_view()(request, route="disconnect").status_code == 403
    assert WebSocketSession.objects.get().connected


def test_view_that_serves_one_api_refuses_the_others(session: WebSocketSession) -> None:
    assert send(session, aws_api_gateway_id=session.api_gateway.api_id).status_code == 200
    assert send(session, aws_api_gateway_id="another").status_code == 403


def test_twin_of_a_mapped_header_is_not_read(session: WebSocketSession) -> None:
    other = WebSocketSessionFactory.create(api_gateway=session.api_gateway)

    response = send(session, {"connection-id": other.connection_id, "x-connectionid": "a,b"})

    assert b"user" in response.content


@pytest.mark.parametrize("field", ["HTTP_CONNECTIONID", "HTTP_WSEVENTTYPE", "HTTP_WSORIGINSECRET"])
def test_doubled_header_is_refused(session: WebSocketSession, field: str) -> None:
    request = message_request(session.api_gateway, session.connection_id, {"handler": "say"})
    request.META[field] = f"{request.META[field]},{request.META[field]}"

    assert StackView.as_view()(request, route="default").status_code in (400, 403)


def test_client_cannot_choose_its_address(gateway: ApiGateway) -> None:
    for number in range(2):
        connect(gateway, {"X-Forwarded-For": f"198.51.100.{number}"}, source_ip="2001:db8::7", token="wrong")

    keys = set(ConnectionRateLimit.objects.values_list("key", flat=True))
    assert "connect:300s:ip:2001:db8::/64" in keys
    assert not any("198.51" in key for key in keys)


def test_secret_of_a_fallback_key_is_accepted(session: WebSocketSession, settings: Any) -> None:
    old = origin_secret(session.api_gateway.api_id)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "rotated"

    assert send(session, {"wsOriginSecret": old}).status_code == 200
    assert send(session).status_code == 200

    settings.SECRET_KEY_FALLBACKS = []
    assert send(session, {"wsOriginSecret": old}).status_code == 403


def test_secret_is_not_asked_for_where_the_setting_says_so(session: WebSocketSession, settings: Any) -> None:
    settings.WEBSOCKET_GATEWAY = {"ORIGIN_SECRET_REQUIRED": False}

    assert send(session, {"wsOriginSecret": ""}).status_code == 200


def test_user_agent_counts_only_where_the_secret_does_not(session: WebSocketSession, settings: Any) -> None:
    other = {"User-Agent": "curl/8"}
    assert send(session, other).status_code == 200

    settings.WEBSOCKET_GATEWAY = {"ORIGIN_SECRET_REQUIRED": False}

    assert send(session, other).status_code == 400
    assert send(session).status_code == 200
    assert send(session, other, expected_useragent_prefix="").status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.org", "null", "https://www.example.com.evil.org"])
def test_foreign_origin_is_refused_and_the_token_is_used_up(gateway: ApiGateway, origin: str) -> None:
    token = issue_token(UserFactory.create())

    refused = connect(gateway, {"Origin": origin}, token=token)
    again = connect(gateway, token=token)

    assert (refused.status_code, again.status_code) == (403, 403)
    assert connect(gateway, token=issue_token(UserFactory.create())).status_code == 200


def test_native_client_needs_no_origin_but_a_token(gateway: ApiGateway) -> None:
    assert connect(gateway, origin=None).status_code == 200
    assert connect(gateway, origin=None, token="").status_code == 403
    public = StackView.as_view(USE_WS_TOKEN=False)
    assert public(connect_request(gateway, origin=None), route="connect").status_code == 403
    assert public(connect_request(gateway), route="connect").status_code == 200


def test_public_view_refuses_a_token_that_is_wrong(gateway: ApiGateway) -> None:
    public = StackView.as_view(USE_WS_TOKEN=False)

    assert public(connect_request(gateway, token="wrong"), route="connect").status_code == 403


def test_token_given_twice_is_refused(gateway: ApiGateway) -> None:
    first, second, third = (issue_token(UserFactory.create()) for _ in range(3))

    assert connect(gateway, token=first, subprotocol_token=second).status_code == 400
    assert connect(gateway, token=third, subprotocol_token=third).status_code == 200


def test_unknown_connection_is_410(gateway: ApiGateway) -> None:
    request = message_request(gateway, new_connection_id(), {"handler": "say"})

    assert StackView.as_view()(request, route="default").status_code == 410


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete", "head", "options", "trace"])
def test_other_methods_are_405(rf: Any, method: str) -> None:
    response = StackView.as_view()(getattr(rf, method)("/ws/default"), route="default")

    assert response.status_code == 405


SECRETS = re.compile(
    rb"wsOriginSecret|connectionId|wsEventType|HTTP_|Traceback|File \"|SECRET|ALLOWED|example\.com|"
    rb"secret detail",
    re.IGNORECASE,
)


def test_answers_hold_no_setting_host_header_secret_or_traceback(
    gateway: ApiGateway, session: WebSocketSession, settings: Any
) -> None:
    requests: list[tuple[HttpRequest, str]] = [
        (connect_request(gateway, headers=forged.values[0]), "connect")  # type: ignore[arg-type]
        for forged in FORGED
    ]
    requests += [
        (connect_request(gateway, headers={"Origin": "https://evil.org"}), "connect"),
        (connect_request(gateway, token="wrong"), "connect"),
        (connect_request(gateway, channel="not a name", token="wrong"), "connect"),
        (connect_request(gateway, headers={"Sec-WebSocket-Key": ""}), "connect"),
    ]
    frames = ["{", [], {}, {"handler": "nope"}, {"handler": "explode"}, {"handler": "guarded"}, "\x00"]
    requests += [(message_request(gateway, session.connection_id, frame), "default") for frame in frames]
    frames = [{"_ws": 1}, {"_ws": {"type": "x", "id": "1"}}, {"handler": "explode", "_ws": {"id": "1"}}]
    requests += [(message_request(gateway, session.connection_id, frame), "default") for frame in frames]

    for debug in (False, True):
        settings.DEBUG = debug
        for request, route in requests:
            response = StackView.as_view()(request, route=route)
            assert not SECRETS.search(response.content), response.content
            assert not SECRETS.search(str(response.headers).encode())
