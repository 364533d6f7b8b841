"""A view that was forgotten in the URLconf, and one that another derives from."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from websocket_gateway.views import WebSocketView


class BaseView(WebSocketView):
    """What the other one derives from; it needs no URL of its own."""


class ForgottenView(BaseView):
    """Listens to nobody."""

    ALLOWED_HANDLERS = {"say"}
    permissions_required = ["auth.view_user"]

    def say(self, request: HttpRequest) -> dict[str, Any]:
        """Never called."""
        return {}
