"""Every attribute of `WebSocketView`: its default; and what `debug` changes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.views.urls import StackView
from websocket_gateway.views import WebSocketView

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("within_one_minute")]


@pytest.mark.parametrize(
    ("name", "default"),
    [
        ("USE_WS_TOKEN", True),
        ("RATE_LIMIT_ENABLED", True),
        ("RATE_LIMIT_MAX_ATTEMPTS", None),
        ("RATE_LIMIT_MAX_ATTEMPTS_PER_IP", None),
        ("RATE_LIMIT_WINDOW_MINUTES", None),
        ("MAX_BODY_SIZE", 131_072),
        ("MAX_CHANNEL_NAME_LENGTH", 191),
        ("ALLOW_UNLISTED_CHANNELS", True),
        ("CHECK_PERMISSIONS_ON_CONNECT", True),
        ("handler_selection_key", "handler"),
        ("route_selection_key", "action"),
        ("aws_api_gateway_id", None),
        ("expected_useragent_prefix", "AmazonAPIGateway_"),
        ("debug", False),
    ],
)
def test_default_of_an_attribute(name: str, default: Any) -> None:
    assert getattr(WebSocketView, name) == default


@pytest.mark.parametrize(
    "name",
    [
        "ALLOWED_HANDLERS",
        "ADDITIONAL_ALLOWED_HANDLERS",
        "permissions_required",
        "all_permissions_required",
        "websocket_route_keys",
        "additional_required_headers",
    ],
)
def test_attribute_that_is_empty_by_default(name: str) -> None:
    assert not getattr(WebSocketView, name)


def test_reason_of_a_refusal_is_logged_and_not_returned(
    ws_client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    reply = ws_client(StackView).connect(token="wrong")

    assert b"not valid" in reply.content
    assert "The token is unknown" in caplog.text
    assert ws_client(StackView).connect(headers={"wsOriginSecret": ""}).content == b""


def test_debug_returns_the_reason(ws_client: Any) -> None:
    reply = ws_client(StackView, debug=True).connect(headers={"wsOriginSecret": ""})

    assert reply.status_code == 403
    assert b"create_gateway" in reply.content
