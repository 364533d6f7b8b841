"""The two views: `WebSocketView` receives a gateway's events, `WebSocketTokenView` issues connect tokens."""

from __future__ import annotations

from websocket_gateway.views.tokens import WebSocketTokenView
from websocket_gateway.views.websocket import WebSocketView

__all__ = ["WebSocketTokenView", "WebSocketView"]
