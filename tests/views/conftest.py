"""What most view tests share."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User

from tests.factories import UserFactory
from tests.views.urls import StackView
from websocket_gateway.testing.events import DEFAULT_ORIGIN


@pytest.fixture(autouse=True)
def origin_is_allowed(settings: Any) -> None:
    """The origin that the builders send is an allowed one."""
    settings.WEBSOCKET_GATEWAY = {"ALLOWED_ORIGINS": [DEFAULT_ORIGIN]}


@pytest.fixture
def connected(ws_client: Any) -> Any:
    """Make a connected client of a view."""

    def connect(view: Any = StackView, user: User | None = None, **initkwargs: Any) -> Any:
        client = ws_client(view, **initkwargs)
        reply = client.connect(user=user or UserFactory.create())
        assert reply.status_code == 200, reply
        return client

    return connect
