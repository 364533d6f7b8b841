"""Clients for any test runner: a `with` block, and a mixin for the classes of unittest and Django."""

from __future__ import annotations

import unittest
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from websocket_gateway.receiving.authentication import forget_gateways
from websocket_gateway.receiving.limits import forget_known_keys
from websocket_gateway.security_log import forget_windows
from websocket_gateway.testing.client import WebSocketClient
from websocket_gateway.testing.connections import FakeConnections, record_connections

if TYPE_CHECKING:
    _Case = unittest.TestCase
else:
    _Case = object


@contextmanager
def websocket_clients(
    connections: FakeConnections | None = None,
) -> Iterator[Callable[..., WebSocketClient]]:
    """Make clients within a `with` block: `ws_client(ChatView).connect(user=user)`; nothing is sent for real.

    What the process remembers of the database is forgotten before and after, as a test rolls its rows back,
    and before also how many refusals were logged, so that a test can look for each.
    """
    forget_gateways()
    forget_known_keys()
    forget_windows()
    try:
        if connections is not None:
            yield partial(WebSocketClient, connections=connections)
        else:
            with record_connections() as fake:
                yield partial(WebSocketClient, connections=fake)
    finally:
        forget_gateways()
        forget_known_keys()


class WebSocketTestMixin(_Case):
    """Gives every test of a class `self.ws_client` and `self.fake_connections`.

    `class ChatTests(WebSocketTestMixin, TestCase)`, with a `TestCase` of Django or of unittest.
    """

    ws_client: Callable[..., WebSocketClient]
    fake_connections: FakeConnections

    def run(self, result: unittest.TestResult | None = None) -> unittest.TestResult | None:
        """Run one test. Not `setUp`, which a class may override without calling this one."""
        with record_connections() as fake, websocket_clients(fake) as ws_client:
            self.fake_connections, self.ws_client = fake, ws_client
            return super().run(result)
