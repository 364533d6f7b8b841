"""Neither the origin secret nor a token leaves in an error report, a signal or a log, whatever happens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from django.core.signals import got_request_exception
from django.http import HttpRequest
from django.test import RequestFactory

from tests.security.secrets_in_requests import (
    LEGACY,
    TOKEN,
    RaisingView,
    failing_event,
    gateway_of_raising_view,
    secrets_of,
)
from tests.support.trials import run_trials
from websocket_gateway.context_headers import LEGACY_SECRET_HEADER, ORIGIN_SECRET_HEADER
from websocket_gateway.models import ApiGateway
from websocket_gateway.receiving.credentials import take_credentials
from websocket_gateway.sentry import scrub

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def gateway(settings: Any) -> ApiGateway:
    return gateway_of_raising_view(settings)


def test_sentry_gets_none_of_them() -> None:
    pytest.importorskip("sentry_sdk", reason="sentry-sdk comes with the extra dev")

    assert run_trials("tests/security/sentry_trials.py") == 3


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "POST"])
def test_they_are_hidden_for_every_method_and_outcome(gateway: ApiGateway, method: str) -> None:
    request = failing_event(gateway)
    request.method = method
    request.META |= {
        "HTTP_X_AMZN_APIGATEWAY_API_ID": "",
        "HTTP_SEC_WEBSOCKET_PROTOCOL": f"a, wstoken.{TOKEN}",
    }

    response = RaisingView.as_view()(request, route="default")

    assert response.status_code in (200, 400, 405)
    assert_hidden(request, gateway)


def test_a_receiver_of_the_signal_of_an_error_sees_none_of_them(gateway: ApiGateway) -> None:
    seen: list[HttpRequest] = []

    def receiver(sender: object, request: HttpRequest, **extra: object) -> None:
        seen.append(request)

    got_request_exception.connect(receiver)
    try:
        RaisingView.as_view()(failing_event(gateway), route="default")
    finally:
        got_request_exception.disconnect(receiver)

    (request,) = seen
    assert_hidden(request, gateway)


def assert_hidden(request: HttpRequest, gateway: ApiGateway) -> None:
    shown = " ".join(map(str, (request.META, dict(request.headers), request.GET, request.get_full_path())))
    shown += repr(vars(request))
    for secret in secrets_of(gateway):
        assert secret not in shown


def test_the_scope_of_asgi_and_its_copies_show_none_of_them(gateway: ApiGateway) -> None:
    headers = [(b"wsoriginsecret", b"s3cret"), (b"X-Ws-Gateway-Secret", LEGACY.encode()), (b"host", b"a")]
    scope: dict[str, Any] = {"headers": headers, "query_string": f"ws_token={TOKEN}&channel=a".encode()}
    copy = dict(scope)
    request: Any = RequestFactory().post(
        f"/ws/connect?ws_token={TOKEN}&channel=a",
        headers={ORIGIN_SECRET_HEADER: "s3cret", LEGACY_SECRET_HEADER: LEGACY},
    )
    request.scope = scope

    found = take_credentials(request)

    assert (found.origin_secret, found.legacy_secret, found.tokens) == ("s3cret", LEGACY, (TOKEN,))
    assert take_credentials(request) is found
    for hidden in (str(scope), str(copy["headers"])):
        assert all(secret not in hidden for secret in ("s3cret", LEGACY, TOKEN))
    assert dict(scope["headers"])[b"host"] == b"a"
    assert b"channel=a" in scope["query_string"]


SCRUBBED: list[tuple[str, Mapping[str, Any]]] = [
    ("headers as a dict", {"request": {"headers": {"Wsoriginsecret": "hush"}}}),
    ("headers as pairs", {"request": {"headers": [["wsOriginSecret", "hush"]]}}),
    ("headers as bytes", {"scope": {"headers": [(b"x-ws-gateway-secret", b"hush")]}}),
    ("environ", {"request": {"env": {"HTTP_WSORIGINSECRET": "hush"}}}),
    ("query string", {"request": {"query_string": "a=1&ws_token=hush"}}),
    ("query string as pairs", {"request": {"query_string": [["ws_token", "hush"]]}}),
    ("URL in a span", {"spans": [{"data": {"url": "wss://h/p?ws_token=hush&x=1"}}]}),
    ("encoded", {"request": {"url": "https://h/?ws%5Ftoken%3Dhush"}}),
    ("subprotocol", {"request": {"headers": {"Sec-Websocket-Protocol": "a, wstoken.hush"}}}),
    ("message", {"message": "GET /ws/connect?ws_token=hush HTTP/1.1"}),
    ("local variable, pairs", {"vars": {"pairs": [["'wsOriginSecret'", "'hush'"]]}}),
    ("local variable, pairs of bytes", {"vars": {"headers": [["b'wsoriginsecret'", "b'hush'"]]}}),
    ("local variable, dict", {"vars": {"known": {"b'x-ws-gateway-secret'": "b'hush'"}}}),
    ("text of a dict", {"message": "{'Wsoriginsecret': 'hush'}"}),
    ("header in a text", {"message": "wsOriginSecret: hush"}),
    ("environ in a text", {"message": "{'HTTP_X_WS_GATEWAY_SECRET': 'hush'}"}),
    ("encoded twice", {"request": {"url": "https://h/?ws%255Ftoken%253Dhush"}}),
    ("bytes", {"request": {"query_string": b"ws_token=hush"}}),
    ("breadcrumb", {"breadcrumbs": {"values": [{"message": "ws_token=hush"}]}}),
]


@pytest.mark.parametrize(("where", "event"), SCRUBBED, ids=[where for where, _ in SCRUBBED])
def test_the_scrubber_finds_them_wherever_sentry_puts_them(where: str, event: dict[str, Any]) -> None:
    assert "hush" not in str(scrub(event, {}))


def test_the_scrubber_leaves_the_rest_alone() -> None:
    event = {
        "request": {"headers": {"Host": "a", "Cookie": "b"}, "url": "https://h/ws_tokens/"},
        "n": [1, None],
    }

    assert scrub(event) == event
