"""Neither the origin secret nor a token leaves in an error report, a signal or a log, whatever happens."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import got_request_exception
from django.http import HttpRequest
from django.test import RequestFactory
from django.urls import path

from tests.factories import ApiGatewayFactory, WebSocketSessionFactory
from websocket_gateway.context_headers import LEGACY_SECRET_HEADER, ORIGIN_SECRET_HEADER
from websocket_gateway.models import ApiGateway
from websocket_gateway.origin_secret import origin_secret
from websocket_gateway.receiving.credentials import take_credentials
from websocket_gateway.sentry import scrub
from websocket_gateway.testing import message_request
from websocket_gateway.views import WebSocketView

sentry_sdk = pytest.importorskip("sentry_sdk", reason="sentry-sdk comes with the extra dev")

pytestmark = [
    pytest.mark.django_db(transaction=True),
    # sentry-sdk's own threads and clients outlive a test.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

LEGACY = "the-legacy-secret-of-thirty-two-letters"
TOKEN = "t0ken-that-nobody-may-see"  # noqa: S105


class RaisingView(WebSocketView):
    """Fails in a handler."""

    USE_WS_TOKEN = False

    def fall(self, request: HttpRequest) -> None:
        raise LookupError("on purpose")


@pytest.fixture
def gateway(settings: Any) -> ApiGateway:
    settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": [path("ws/<str:route>", RaisingView.as_view())]})
    settings.ALLOWED_HOSTS = ["testserver", "www.example.com"]
    row: ApiGateway = ApiGatewayFactory.create()
    return row


@pytest.fixture
def reports() -> Iterator[list[dict[str, Any]]]:
    """What Sentry's SDK would have sent: errors and transactions, as JSON would show them."""
    sent: list[dict[str, Any]] = []

    def capture(self: object, envelope: Any) -> None:
        sent.extend(item.payload.json for item in envelope.items if item.payload.json)

    sentry_sdk.init(
        dsn="http://key@127.0.0.1:9/1",
        transport=type("Transport", (sentry_sdk.Transport,), {"capture_envelope": capture}),
        before_send=scrub,
        before_send_transaction=scrub,
        traces_sample_rate=1.0,
        max_request_body_size="always",
        auto_session_tracking=False,
    )
    yield sent
    sentry_sdk.get_client().close()
    sentry_sdk.init()


def secrets_of(gateway: ApiGateway) -> tuple[str, ...]:
    return origin_secret(gateway.api_id), LEGACY, TOKEN


def with_secrets(request: HttpRequest) -> HttpRequest:
    """The same request with a legacy secret and a token, which a client can send with any event."""
    request.META |= {
        "HTTP_X_WS_GATEWAY_SECRET": LEGACY,
        "QUERY_STRING": f"ws%5Ftoken={TOKEN}&x=1",
        "RAW_URI": f"/ws/default?ws%5Ftoken={TOKEN}&x=1",
    }
    return request


def failing_event(gateway: ApiGateway) -> HttpRequest:
    session = WebSocketSessionFactory.create(api_gateway=gateway)
    body = json.dumps({"handler": "fall"}).encode()
    return with_secrets(message_request(gateway, session.connection_id, body))


_communicator: Any = ApplicationCommunicator


def wsgi(request: HttpRequest) -> int:
    """Run the whole of Django's WSGI handler; the status."""
    statuses: list[str] = []

    def start(status: str, headers: object, error: object = None, /) -> Callable[[bytes], object]:
        statuses.append(status)
        return lambda data: None

    WSGIHandler()({**request.META, "PATH_INFO": "/ws/default"}, start).close()
    return int(statuses[0].split()[0])


def asgi(request: HttpRequest) -> int:
    """Run the whole of Django's ASGI handler; the status."""
    names = {
        key.removeprefix("HTTP_").replace("_", "-").lower(): str(value)
        for key, value in request.META.items()
        if key.startswith("HTTP_")
    }
    names |= {
        "host": "testserver",
        "content-type": "application/json",
        "content-length": str(request.META["CONTENT_LENGTH"]),
    }
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/ws/default",
        "raw_path": b"/ws/default",
        "query_string": request.META["QUERY_STRING"].encode(),
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in names.items()],
        "server": ("testserver", 80),
        "client": ("127.0.0.1", 1),
    }

    async def run() -> int:
        communicator: Any = _communicator(ASGIHandler(), scope)
        await communicator.send_input({"type": "http.request", "body": request.body})
        started = await communicator.receive_output(5)
        await communicator.wait()
        return int(started["status"])

    return asyncio.run(run())


@pytest.mark.parametrize("serve", [wsgi, asgi], ids=["WSGI", "ASGI"])
def test_sentry_gets_none_of_them(
    gateway: ApiGateway, reports: list[dict[str, Any]], serve: Callable[[HttpRequest], int]
) -> None:
    assert serve(failing_event(gateway)) == 500

    sentry_sdk.flush()
    assert [report for report in reports if "on purpose" in json.dumps(report.get("exception", ""))]
    for secret in secrets_of(gateway):
        assert secret not in json.dumps(reports)


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
