"""Requests that carry every secret, to a view that raises."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpRequest
from django.urls import path

from tests.factories import ApiGatewayFactory, WebSocketSessionFactory
from websocket_gateway.models import ApiGateway
from websocket_gateway.origin_secret import origin_secret
from websocket_gateway.testing import message_request
from websocket_gateway.views import WebSocketView

LEGACY = "the-legacy-secret-of-thirty-two-letters"
TOKEN = "t0ken-that-nobody-may-see"  # noqa: S105


class RaisingView(WebSocketView):
    """Fails in a handler."""

    USE_WS_TOKEN = False

    def fall(self, request: HttpRequest) -> None:
        raise LookupError("on purpose")


def gateway_of_raising_view(settings: Any) -> ApiGateway:
    """A gateway whose events `RaisingView` receives, by the URLconf too."""
    settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": [path("ws/<str:route>", RaisingView.as_view())]})
    settings.ALLOWED_HOSTS = ["testserver", "www.example.com"]
    row: ApiGateway = ApiGatewayFactory.create()
    return row


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
