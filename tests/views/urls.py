"""Views behind the whole stack: handler, middleware, URLconf."""

from __future__ import annotations

import asyncio
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import path

from websocket_gateway.receiving.handlers import requires
from websocket_gateway.views import WebSocketTokenView, WebSocketView


class StackView(WebSocketView):
    """A view with one handler for each way of answering."""

    def say(self, request: HttpRequest) -> dict[str, Any]:
        return {"said": self.body.get("text"), "by": str(request.user)}

    def nothing(self, request: HttpRequest) -> None:
        return None

    def raw(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse("raw", content_type="text/plain")

    async def think(self, request: HttpRequest) -> dict[str, Any]:
        await asyncio.sleep(0)
        user = await request.auser()
        return {"thought": self.body.get("text"), "by": str(user)}

    def explode(self, request: HttpRequest) -> None:
        raise LookupError("secret detail")

    @requires(any_of=["auth.view_user"])
    def guarded(self, request: HttpRequest) -> dict[str, Any]:
        return {"guarded": True}


class PublicView(WebSocketView):
    """Open to everybody who comes from an allowed page."""

    USE_WS_TOKEN = False

    def say(self, request: HttpRequest) -> dict[str, Any]:
        return {"said": self.body.get("text")}


urlpatterns = [
    path("ws/<str:route>", StackView.as_view(), name="ws"),
    path("public/<str:route>", PublicView.as_view(), name="public"),
    path("token/", WebSocketTokenView.as_view(), name="token"),
]
