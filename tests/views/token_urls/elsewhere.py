"""No WebSocket view at all."""

from __future__ import annotations

from django.urls import path

from websocket_gateway.views import WebSocketTokenView

urlpatterns = [
    path("token/", WebSocketTokenView.as_view()),
]
