"""Headers that a request must carry."""

from __future__ import annotations

from typing import Any

import pytest

from tests.factories import UserFactory
from tests.views.urls import StackView

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("within_one_minute")]


@pytest.mark.parametrize("name", ["Host", "X-Amzn-Apigateway-Api-Id", "connectionId"])
def test_missing_required_header_is_400(ws_client: Any, name: str) -> None:
    assert ws_client(StackView).connect(user=UserFactory.create(), headers={name: ""}).status_code == 400


def test_further_headers_can_be_insisted_on(ws_client: Any) -> None:
    options = {"additional_required_headers": ["X-Extra"]}

    assert ws_client(StackView, **options).connect(user=UserFactory.create()).status_code == 400
    assert ws_client(StackView, **options).connect(user=UserFactory.create(), headers={"X-Extra": "1"}).ok


def test_handshake_header_is_asked_for_at_connect_only(ws_client: Any) -> None:
    missing = ws_client(StackView).connect(user=UserFactory.create(), headers={"Sec-WebSocket-Key": ""})
    client = ws_client(StackView)
    client.connect(user=UserFactory.create())

    assert missing.status_code == 400
    assert client.send({"handler": "say"}).ok


def test_native_client_behind_a_plain_load_balancer_is_not_shut_out(ws_client: Any) -> None:
    names = ["User-Agent", "X-Forwarded-For", "X-Forwarded-Proto", "Sec-WebSocket-Extensions", "Origin"]
    headers = dict.fromkeys(names, "")

    assert ws_client(StackView).connect(user=UserFactory.create(), headers=headers, origin=None).ok
