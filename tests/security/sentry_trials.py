"""Run by `test_secrets_in_reports.py` in a process of its own: sentry-sdk patches Django for good."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sentry_sdk
from asgiref.testing import ApplicationCommunicator
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest

from tests.security.secrets_in_requests import LEGACY, failing_event, gateway_of_raising_view, secrets_of
from websocket_gateway.models import ApiGateway
from websocket_gateway.sentry import scrub

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def gateway(settings: Any) -> ApiGateway:
    return gateway_of_raising_view(settings)


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


def test_sentry_gets_none_of_them_from_local_variables(reports: list[dict[str, Any]]) -> None:
    def middleware() -> None:
        headers = [(b"wsoriginsecret", LEGACY.encode())]
        pairs = [("X-Ws-Gateway-Secret", LEGACY)]
        raise LookupError(f"{len(headers)} headers, {len(pairs)} pairs, on purpose")

    try:
        middleware()
    except LookupError as exc:
        sentry_sdk.capture_exception(exc)

    sentry_sdk.flush()
    assert "wsoriginsecret" in json.dumps(reports)
    assert LEGACY not in json.dumps(reports)
