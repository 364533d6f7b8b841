"""Events of imported gateways: the other package's secret and mappings, and not a word of the client's."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from tests.factories import ApiGatewayFactory, UserFactory, WebSocketSessionFactory
from websocket_gateway.conf import get_settings
from websocket_gateway.context_headers import LEGACY_SECRET_HEADER
from websocket_gateway.legacy import events
from websocket_gateway.models import ApiGateway, ConnectionRateLimit, WebSocketSession
from websocket_gateway.origin_secret import origin_secret
from websocket_gateway.receiving.authentication import forget_gateways
from websocket_gateway.receiving.tokens import issue_token
from websocket_gateway.testing.events import DEFAULT_ORIGIN
from websocket_gateway.views import WebSocketView

pytestmark = pytest.mark.django_db

SECRET = "an-old-secret-of-more-than-32-characters"
OTHER = "another-old-secret-with-enough-characters"


class OldView(WebSocketView):
    """Tells what it knows of an event."""

    USE_WS_TOKEN = False

    def tell(self, request: HttpRequest) -> dict[str, Any]:
        event = self.event
        return {
            "type": type(event).__name__,
            "connection_id": event.connection_id,
            "source_ip": event.source_ip,
            "route_key": event.route_key,
            "connected_at": event.connected_at,
            "message_id": getattr(event, "message_id", None),
            "headers": sorted(name for name in request.headers if name.lower().startswith("ws")),
        }


@pytest.fixture(autouse=True)
def old_secret(settings: Any) -> Iterator[None]:
    settings.WEBSOCKETS = {"gateway_secret": SECRET}
    events._warned.clear()
    yield
    events._warned.clear()


@pytest.fixture
def gateway() -> ApiGateway:
    return ApiGatewayFactory.create(imported_on=timezone.now())


@pytest.fixture
def session(gateway: ApiGateway) -> WebSocketSession:
    return WebSocketSessionFactory.create(api_gateway=gateway)


def event(
    gateway: ApiGateway,
    slug: str,
    body: bytes = b"",
    *,
    query: str = "",
    forged: Mapping[str, str] | None = None,
    **headers: str,
) -> HttpResponse:
    """What the other package's integrations send: nothing of ours, and at `$connect` what the client said."""
    sent = {
        "Host": "www.example.com",
        "User-Agent": f"AmazonAPIGateway_{gateway.api_id}",
        "X-Amzn-Apigateway-Api-Id": gateway.api_id,
        "connectionId": "Kold=",
        LEGACY_SECRET_HEADER: SECRET,
    }
    if slug == "connect":
        sent |= {"Sec-WebSocket-Key": "x", "Sec-WebSocket-Version": "13", "Origin": DEFAULT_ORIGIN}
    sent |= {**headers, **(forged or {})}
    request = RequestFactory().generic(
        "POST",
        f"/ws/{slug}{query}",
        body,
        content_type="application/json",
        headers={name: value for name, value in sent.items() if value},
    )
    request.user = AnonymousUser()
    response: HttpResponse = OldView.as_view()(request, route=slug)
    return response


def told(response: HttpResponse) -> Any:
    return json.loads(response.content)


def test_socket_lives_its_whole_life_on_the_old_mappings(gateway: ApiGateway) -> None:
    assert event(gateway, "connect").status_code == 200
    session = WebSocketSession.objects.get()
    assert (session.connection_id, session.connected, session.api_gateway) == ("Kold=", True, gateway)

    answer = event(gateway, "default", b'{"action": "tell"}')
    assert (answer.status_code, told(answer)["type"]) == (200, "MessageEvent")
    assert event(gateway, "notify", b'{"action": "tell"}').status_code == 200

    assert event(gateway, "disconnect").status_code == 200
    assert not WebSocketSession.objects.get().connected
    assert event(gateway, "default", b'{"action": "tell"}').status_code == 410


@pytest.mark.usefixtures("within_one_minute")
def test_token_and_user_limit_hold_as_ever(gateway: ApiGateway, settings: Any) -> None:
    user = UserFactory.create()
    settings.WEBSOCKET_GATEWAY = {**settings.WEBSOCKET_GATEWAY, "RATE_LIMIT_MAX_ATTEMPTS": 2}
    statuses = []
    for number in range(3):
        query = f"?ws_token={issue_token(user)}"
        statuses.append(event(gateway, "connect", query=query, connectionId=f"K{number}=").status_code)

    assert statuses == [200, 200, 429]
    assert event(gateway, "connect", query="?ws_token=wrong", connectionId="Kx=").status_code == 403
    assert set(WebSocketSession.objects.values_list("user", flat=True)) == {user.pk}


def test_any_of_several_secrets_is_accepted(gateway: ApiGateway, settings: Any) -> None:
    settings.WEBSOCKETS = {"gateway_secret": [OTHER, SECRET]}

    assert event(gateway, "connect").status_code == 200


@pytest.mark.parametrize(
    "configured",
    [
        pytest.param(None, id="no setting"),
        pytest.param({}, id="no key"),
        pytest.param({"gateway_secret": ""}, id="empty"),
        pytest.param({"gateway_secret": []}, id="empty list"),
        pytest.param({"gateway_secret": OTHER}, id="another"),
        pytest.param({"gateway_secret": [None, 3]}, id="no strings"),
        pytest.param("gateway_secret", id="no dict"),
    ],
)
def test_nothing_is_accepted_unless_the_secret_stands_in_the_settings(
    gateway: ApiGateway, settings: Any, configured: Any
) -> None:
    settings.WEBSOCKETS = configured

    response = event(gateway, "connect")

    assert (response.status_code, response.content) == (403, b"")
    assert not WebSocketSession.objects.exists()


def test_secret_that_is_too_short_to_be_one_is_none(gateway: ApiGateway, settings: Any) -> None:
    settings.WEBSOCKETS = {"gateway_secret": "short"}

    assert event(gateway, "connect", forged={LEGACY_SECRET_HEADER: "short"}).status_code == 403


@pytest.mark.parametrize("value", ["", "x", SECRET[:-1], f"{SECRET},{SECRET}", "é" * 40, OTHER])
def test_wrong_secret_is_refused(gateway: ApiGateway, value: str) -> None:
    for slug in ("connect", "default", "disconnect"):
        response = event(gateway, slug, forged={LEGACY_SECRET_HEADER: value})
        assert (response.status_code, response.content) == (403, b"")
    assert not WebSocketSession.objects.exists()


def test_gateway_that_was_not_imported_never_takes_the_old_secret() -> None:
    for last_applied_on in (None, timezone.now()):
        native = ApiGatewayFactory.create(last_applied_on=last_applied_on)
        assert event(native, "connect").status_code == 403


def test_old_secret_is_over_soon_after_the_gateway_was_applied(gateway: ApiGateway) -> None:
    for ago, status in ((timedelta(minutes=1), 200), (timedelta(minutes=6), 403)):
        ApiGateway.objects.update(last_applied_on=timezone.now() - ago)
        forget_gateways()
        assert event(gateway, "connect", connectionId=f"K{status}=").status_code == status


FORGED = {
    "wsEventType": "DISCONNECT",
    "wsRouteKey": "$disconnect",
    "wsSourceIp": "198.51.100.7",
    "wsConnectedAt": "1",
    "wsMessageId": "forged",
    "wsOriginSecret": "forged",
    "X-Forwarded-For": "198.51.100.7",
}


def test_header_of_ours_is_the_clients_word_and_counts_for_nothing(
    gateway: ApiGateway, session: WebSocketSession
) -> None:
    assert event(gateway, "connect", forged=FORGED).status_code == 200
    assert WebSocketSession.objects.get(connection_id="Kold=").connected
    assert not ConnectionRateLimit.objects.filter(key__contains="198.51").exists()

    answer = told(event(gateway, "default", b'{"handler": "tell"}', forged=FORGED))

    assert answer == {
        "type": "MessageEvent",
        "connection_id": "Kold=",
        "source_ip": "",
        "route_key": "$default",
        "connected_at": None,
        "message_id": "",
        "headers": ["Wseventtype"],
    }


mapped = st.sampled_from(sorted(name for name in FORGED if name.startswith("ws")))
anything = st.text(st.characters(min_codepoint=33, max_codepoint=255), min_size=1, max_size=40)


@given(
    forged=st.dictionaries(mapped, st.one_of(anything, st.sampled_from(["CONNECT", "MESSAGE", "$connect"])))
)
def test_nothing_that_a_client_puts_into_our_headers_changes_an_event(
    gateway: ApiGateway, session: WebSocketSession, forged: dict[str, str]
) -> None:
    honest, other = (
        event(gateway, "default", b'{"handler": "tell"}', connectionId=session.connection_id, forged=headers)
        for headers in ({}, forged)
    )

    assert (other.status_code, other.content) == (honest.status_code, honest.content)


def test_url_alone_says_what_kind_of_event_it_is(gateway: ApiGateway, session: WebSocketSession) -> None:
    event(gateway, "default", b"{}", connectionId=session.connection_id, wsEventType="DISCONNECT")
    assert WebSocketSession.objects.get().connected

    event(gateway, "disconnect", connectionId=session.connection_id, wsEventType="MESSAGE")
    assert not WebSocketSession.objects.get().connected


def test_old_mappings_with_our_own_secret_are_no_event(gateway: ApiGateway) -> None:
    headers = {LEGACY_SECRET_HEADER: "", "wsOriginSecret": origin_secret(gateway.api_id)}

    assert event(gateway, "connect", forged=headers).status_code == 400


def test_new_mappings_are_served_as_ever_while_the_old_secret_still_stands(gateway: ApiGateway) -> None:
    headers = {
        LEGACY_SECRET_HEADER: "",
        "wsOriginSecret": origin_secret(gateway.api_id),
        "wsEventType": "CONNECT",
        "wsSourceIp": "192.0.2.1",
    }

    assert event(gateway, "connect", forged=headers).status_code == 200
    assert ConnectionRateLimit.objects.filter(key__contains="192.0.2.1").exists()


def test_connection_id_must_be_one_and_belong_to_the_gateway(
    gateway: ApiGateway, session: WebSocketSession
) -> None:
    foreign = WebSocketSessionFactory.create()

    assert event(gateway, "connect", connectionId="a,b").status_code == 400
    assert event(gateway, "connect", connectionId="").status_code == 400
    body = b'{"handler": "tell"}'
    assert event(gateway, "default", body, connectionId=foreign.connection_id).status_code == 403


def test_log_says_once_that_the_old_secret_is_in_use_and_never_says_it(
    gateway: ApiGateway, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="websocket_gateway"):
        for number in range(3):
            event(gateway, "connect", connectionId=f"K{number}=")

    records = [record for record in caplog.records if "sync_routes" in record.getMessage()]
    assert len(records) == 1
    assert gateway.api_name in records[0].getMessage()
    assert SECRET not in caplog.text


def test_settings_do_not_show_the_secret() -> None:
    assert get_settings().legacy_secrets == (SECRET,)
    assert SECRET not in repr(get_settings())
