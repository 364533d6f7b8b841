"""One view lets more attempts through than the other."""

from __future__ import annotations

from django.urls import path

from tests.views.urls import StackView
from websocket_gateway.views import WebSocketTokenView

urlpatterns = [
    path("token/", WebSocketTokenView.as_view()),
    path("ws/<str:route>", StackView.as_view()),
    path("more/<str:route>", StackView.as_view(RATE_LIMIT_MAX_ATTEMPTS=21)),
]
