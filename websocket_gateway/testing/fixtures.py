"""Pytest fixtures. In a `conftest.py`: `pytest_plugins = ["websocket_gateway.testing.fixtures"]`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from websocket_gateway.testing.client import WebSocketClient
    from websocket_gateway.testing.connections import FakeConnections

# Imports are inside the fixtures: pytest may load this module before Django is set up.


@pytest.fixture
def fake_connections() -> Iterator[FakeConnections]:
    """Record the frames in `fake_connections.sent` instead of sending them."""
    from websocket_gateway.testing.connections import record_connections

    with record_connections() as fake:
        yield fake


@pytest.fixture
def ws_client(db: None, fake_connections: FakeConnections) -> Iterator[Callable[..., WebSocketClient]]:
    """Make clients: `ws_client(ChatView).connect(user=user)`."""
    from websocket_gateway.receiving.authentication import forget_gateways
    from websocket_gateway.receiving.limits import forget_known_keys
    from websocket_gateway.testing.client import WebSocketClient

    forget_gateways()
    forget_known_keys()
    yield partial(WebSocketClient, connections=fake_connections)
    forget_gateways()
