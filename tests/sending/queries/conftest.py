"""Seven open sessions of two gateways, three channels and two users; pages of two."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from tests.factories import (
    ApiGatewayFactory,
    ChannelSubscriptionFactory,
    UserFactory,
    WebSocketSessionFactory,
)
from websocket_gateway.models import WebSocketSession
from websocket_gateway.sending import paging


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "PAGE_SIZE", 2)
    monkeypatch.setattr(paging, "IN_LIST", 2)


@pytest.fixture(autouse=True)
def rows() -> list[WebSocketSession]:
    first, second = ApiGatewayFactory.create(api_name="first"), ApiGatewayFactory.create(api_name="second")
    ann, bob = UserFactory.create(username="ann", staff=True), UserFactory.create(username="bob")
    now = timezone.now()
    made = [
        WebSocketSessionFactory.create(
            channel_name=channel,
            user=user,
            api_gateway=second if number % 2 else first,
            created_on=now - timedelta(minutes=20 - number),
        )
        for number, (channel, user) in enumerate(
            zip("abcabca", (ann, bob, None, ann, None, bob, None), strict=True)
        )
    ]
    WebSocketSessionFactory.create(channel_name="a", user=ann, api_gateway=first, ended=True)
    for number, name in ((1, "x"), (1, "y"), (4, "x"), (6, "x")):
        ChannelSubscriptionFactory.create(session=made[number], channel_name=name)
    return made
