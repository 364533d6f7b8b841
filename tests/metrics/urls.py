"""The view of the site that is measured."""

from __future__ import annotations

import os
from typing import Any

from django.http import HttpRequest
from django.urls import path

from websocket_gateway.sending import broadcast
from websocket_gateway.views import WebSocketView


class MeasuredView(WebSocketView):
    """Answers with the number of its process, so that a load knows which workers it has met."""

    USE_WS_TOKEN = False
    deduplicate = True

    def say(self, request: HttpRequest) -> dict[str, Any]:
        return {"pid": os.getpid()}

    def explode(self, request: HttpRequest) -> None:
        raise LookupError("secret detail")

    def shout(self, request: HttpRequest) -> dict[str, Any]:
        report = broadcast({"text": "hello"}, channel=self.body["to"])
        return {"delivered": report.delivered, "failed": report.failed, "gone": report.gone}


urlpatterns = [path("ws/<str:route>", MeasuredView.as_view())]
