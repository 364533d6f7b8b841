"""How large a body may be, and what cannot be read."""

from __future__ import annotations

from typing import Any

import pytest

from tests.views.urls import StackView
from websocket_gateway.testing import message_request

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("within_one_minute")]


def test_body_beyond_the_limit_is_413(connected: Any) -> None:
    client = connected(MAX_BODY_SIZE=100)

    fits = b'{"handler": "nothing", "text": "%s"}'
    assert client.send(fits % (b"x" * (100 - len(fits) + 2))).status_code == 200
    assert client.send(fits % (b"x" * (100 - len(fits) + 3))).status_code == 413


def test_declared_size_is_refused_before_the_gateway_is_asked_for(rf: Any) -> None:
    request = rf.post("/ws/default", b"{}", content_type="application/json", CONTENT_LENGTH="131073")

    assert StackView.as_view()(request, route="default").status_code == 413


@pytest.mark.parametrize("length", ["x", "-1", "1" * 5000, "²", "1.5", " 1"])
def test_content_length_that_is_no_number_is_400(rf: Any, length: str) -> None:
    request = rf.post("/ws/default", b"{}", content_type="application/json", CONTENT_LENGTH=length)

    assert StackView.as_view()(request, route="default").status_code == 400


def test_body_beyond_djangos_own_limit_is_413(connected: Any, settings: Any) -> None:
    client = connected()
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 50

    assert client.send({"handler": "say", "text": "x" * 100}).status_code == 413


def test_body_that_cannot_be_read_any_more_is_400(connected: Any) -> None:
    client = connected()
    request = message_request(client.gateway, client.connection_id, {"handler": "say"})
    request.read(1)

    assert StackView.as_view()(request, route="default").status_code == 400


def test_body_whose_size_was_not_declared_is_measured(connected: Any) -> None:
    client = connected()
    request = message_request(client.gateway, client.connection_id, {"handler": "say", "text": "x" * 200})
    request.META["CONTENT_LENGTH"] = ""
    request._body = b"x" * 200_000

    assert StackView.as_view()(request, route="default").status_code == 413
