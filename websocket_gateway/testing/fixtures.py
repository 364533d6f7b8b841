"""Pytest fixtures. In a `conftest.py`: `pytest_plugins = ["websocket_gateway.testing.fixtures"]`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from websocket_gateway.testing.client import WebSocketClient
    from websocket_gateway.testing.clients import Clock
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
    from websocket_gateway.testing.clients import websocket_clients

    with websocket_clients(fake_connections) as make:
        yield make


@pytest.fixture
def ws_clock() -> Iterator[Clock]:
    """Stop the time of Django, and let it pass by `ws_clock.advance(minutes=5)`."""
    from websocket_gateway.testing.clients import virtual_time

    with virtual_time() as clock:
        yield clock
