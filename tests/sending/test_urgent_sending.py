"""Sending where a user waits: an endpoint that does not answer costs one request a few seconds, once."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from django.core.asgi import get_asgi_application
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import Client, override_settings
from django.urls import path

from tests.factories import ApiGatewayFactory
from tests.sending.broadcasts import connect
from tests.support.rawsink import RawSink, Reply, running_raw_sink
from websocket_gateway import connections
from websocket_gateway.models import ApiGateway, WebSocketSession
from websocket_gateway.sending import SendOptions, broadcast
from websocket_gateway.web_requests import in_web_request

pytestmark = pytest.mark.django_db(transaction=True)
SILENT = Reply(b"", then="hang")


def send(request: HttpRequest) -> HttpResponse:
    options = SendOptions(engine=request.GET.get("engine"))
    report = broadcast({}, channel="lobby", options=options)
    return JsonResponse(
        {"failed": report.failed, "delivered": report.delivered, "reasons": list(report.reasons)}
    )


def save(request: HttpRequest) -> HttpResponse:
    with transaction.atomic():
        broadcast({}, channel="lobby", on_commit=True)
    return HttpResponse()


def leave(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"ended": connections.revoke(WebSocketSession.objects.all())})


def where(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"in": in_web_request()})


async def where_async(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"in": in_web_request()})


urlpatterns = [path(view.__name__, view) for view in (send, save, leave, where, where_async)]


@pytest.fixture(autouse=True)
def _urls() -> Iterator[None]:
    with override_settings(ROOT_URLCONF=__name__):
        yield


@pytest.fixture(name="raw")
def raw_fixture() -> Iterator[RawSink]:
    with running_raw_sink() as sink:
        sink.answer = lambda connection_id, number: SILENT if connection_id.startswith("silent") else Reply()
        yield sink


@pytest.fixture(name="there")
def there_fixture(raw: RawSink) -> ApiGateway:
    gateway: ApiGateway = ApiGatewayFactory.create(api_endpoint=raw.socket_endpoint)
    return gateway


def timed(url: str) -> tuple[float, Any]:
    """The seconds that a request took, and its JSON."""
    started = time.monotonic()
    response = Client().get(url)
    assert response.status_code == 200
    seconds = time.monotonic() - started
    return seconds, response.json() if response["Content-Type"] == "application/json" else None


@pytest.mark.parametrize("url", ["/save", "/send?engine=boto3", "/send?engine=asyncio", "/leave"])
def test_a_silent_endpoint_holds_one_request_for_three_seconds_and_the_next_ones_not_at_all(
    there: ApiGateway, url: str
) -> None:
    connect(there, *(f"silent{number}=" for number in range(40)), channel_name="lobby")

    first, _ = timed(url)
    WebSocketSession.objects.update(connected=True)
    later, _ = timed(url)

    assert 2.5 < first < 5
    assert later < 1  # about 20 ms on a machine that is idle


def test_the_report_tells_why_an_endpoint_was_not_tried(there: ApiGateway) -> None:
    connect(there, "silent=", channel_name="lobby")

    _, first = timed("/send")
    _, later = timed("/send")

    assert first["failed"] == later["failed"] == 1
    assert first["reasons"][0].startswith("no answer from http://127.0.0.1:")
    assert "did not answer, and web requests do not call it for 10 s" in later["reasons"][0]


@pytest.mark.parametrize("engine", ["boto3", "asyncio"])
def test_an_endpoint_that_answers_others_is_called_again(there: ApiGateway, engine: str) -> None:
    connect(there, "silent=", *(f"fine{number}=" for number in range(20)), channel_name="lobby")

    for _ in range(2):
        seconds, report = timed(f"/send?engine={engine}")
        assert (report["delivered"], report["failed"]) == (20, 1)
        assert seconds < 5


def test_other_endpoints_are_not_held_up(raw: RawSink, there: ApiGateway) -> None:
    connect(there, *(f"silent{number}=" for number in range(40)), channel_name="lobby")
    with running_raw_sink() as other:
        elsewhere = ApiGatewayFactory.create(api_endpoint=other.socket_endpoint)
        connect(elsewhere, *(f"fine{number}=" for number in range(40)), channel_name="lobby")
        seconds, report = timed("/send?engine=boto3")

    assert (report["delivered"], report["failed"]) == (40, 40)
    assert seconds < 4.5


def test_it_is_called_again_when_the_time_is_over(
    raw: RawSink, there: ApiGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("websocket_gateway.aws.engines.circuit_breaker.OPEN_SECONDS", 2.0)
    connect(there, "silent=", channel_name="lobby")
    timed("/send")
    raw.answer = lambda connection_id, number: Reply()

    assert timed("/send")[1]["failed"] == 1
    time.sleep(2.1)
    assert timed("/send")[1]["delivered"] == 1
    assert timed("/send")[1]["delivered"] == 1


def test_a_resolver_that_hangs_is_not_waited_for(there: ApiGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    connect(there, "fine=", channel_name="lobby")
    look_up = socket.getaddrinfo

    def hang(*args: Any, **kwargs: Any) -> Any:
        time.sleep(6)
        return look_up(*args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    seconds, report = timed("/send?engine=boto3")

    assert report["failed"] == 1
    assert seconds < 4.5
    time.sleep(3.5)  # until the abandoned post is over


def test_outside_a_request_every_attempt_is_made(raw: RawSink, there: ApiGateway, settings: Any) -> None:
    settings.WEBSOCKET_GATEWAY = {"SEND_TIMEOUT_SECONDS": 1}
    connect(there, "silent=", channel_name="lobby")
    timed("/send")
    posts = len(raw.requests)

    report = broadcast({}, channel="lobby")

    assert report.failed == 1
    assert len(raw.requests) - posts == 4
    assert report.seconds > 3.5


def test_throttling_ends_at_the_deadline_of_the_request(raw: RawSink, there: ApiGateway) -> None:
    connect(there, "busy=", channel_name="lobby")
    raw.answer = lambda connection_id, number: Reply(
        b"HTTP/1.1 429 Slow\r\nx-amzn-ErrorType: LimitExceededException\r\nContent-Length: 0\r\n\r\n"
    )

    seconds, report = timed("/send")

    assert "LimitExceededException" in report["reasons"][0]
    assert seconds < 5
    raw.answer = lambda connection_id, number: Reply()
    assert timed("/send")[1]["delivered"] == 1


def test_a_request_is_recognised_under_wsgi_and_asgi() -> None:
    assert not in_web_request()
    assert timed("/where")[1] == {"in": True}
    assert timed("/where_async")[1] == {"in": True}
    assert not in_web_request()
    assert asyncio.run(_get("/where")) == b'{"in": true}'
    assert asyncio.run(_get("/where_async")) == b'{"in": true}'
    assert not in_web_request()


async def _get(url: str) -> bytes:
    scope = {"type": "http", "method": "GET", "path": url, "headers": [], "query_string": b""}
    sent: list[Mapping[str, Any]] = []
    bodies = [b""]

    async def receive() -> dict[str, Any]:
        if not bodies:
            await asyncio.sleep(3600)
        return {"type": "http.request", "body": bodies.pop()}

    async def send(event: Mapping[str, Any]) -> None:
        sent.append(event)

    await get_asgi_application()(scope, receive, send)
    return b"".join(event.get("body", b"") for event in sent)
