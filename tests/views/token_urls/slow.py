"""Two views with windows of different lengths."""

from __future__ import annotations

from django.urls import path

from tests.views.urls import StackView
from websocket_gateway.views import WebSocketTokenView

urlpatterns = [
    path("token/", WebSocketTokenView.as_view()),
    path("ws/<str:route>", StackView.as_view()),
    path("slow/<str:route>", StackView.as_view(RATE_LIMIT_WINDOW_MINUTES=10)),
]
