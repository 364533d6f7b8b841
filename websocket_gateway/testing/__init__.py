"""Tools to test the views of a project, without AWS.

Each name is imported at its first use: pytest loads the plugins `fixtures` and `gateway`
of this package before Django is set up, and most of these names need its models.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from websocket_gateway.aws.connections import use_connections
    from websocket_gateway.testing.client import Reply, WebSocketClient
    from websocket_gateway.testing.clients import (
        Clock,
        WebSocketTestMixin,
        virtual_time,
        websocket_clients,
    )
    from websocket_gateway.testing.connections import FakeConnections, SentFrame, record_connections
    from websocket_gateway.testing.events import (
        connect_request,
        disconnect_request,
        message_request,
        new_connection_id,
    )
else:
    from importlib import import_module

    _MODULES = {
        "Clock": "websocket_gateway.testing.clients",
        "FakeConnections": "websocket_gateway.testing.connections",
        "Reply": "websocket_gateway.testing.client",
        "SentFrame": "websocket_gateway.testing.connections",
        "WebSocketClient": "websocket_gateway.testing.client",
        "WebSocketTestMixin": "websocket_gateway.testing.clients",
        "connect_request": "websocket_gateway.testing.events",
        "disconnect_request": "websocket_gateway.testing.events",
        "message_request": "websocket_gateway.testing.events",
        "new_connection_id": "websocket_gateway.testing.events",
        "record_connections": "websocket_gateway.testing.connections",
        "use_connections": "websocket_gateway.aws.connections",
        "virtual_time": "websocket_gateway.testing.clients",
        "websocket_clients": "websocket_gateway.testing.clients",
    }

    def __getattr__(name):
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(_MODULES[name]), name)
        return value

    def __dir__():
        return sorted({*globals(), *__all__})


__all__ = [
    "Clock",
    "FakeConnections",
    "Reply",
    "SentFrame",
    "WebSocketClient",
    "WebSocketTestMixin",
    "connect_request",
    "disconnect_request",
    "message_request",
    "new_connection_id",
    "record_connections",
    "use_connections",
    "virtual_time",
    "websocket_clients",
]
