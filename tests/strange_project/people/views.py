"""A socket and a page."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.translation import get_language
from django.views.generic import TemplateView

from websocket_gateway.views import WebSocketTokenView, WebSocketView


class DeskView(WebSocketView):
    """Only for those whom the directory lets in."""

    permissions_required = ("people.use_desk",)
    ALLOWED_HANDLERS = {"echo", "note"}  # noqa: RUF012
    MAX_SUBSCRIPTIONS = 2

    def echo(self, request: HttpRequest) -> dict[str, Any]:
        user: Any = request.user
        sent = self.websocket_session.send_message({"echo": self.body.get("text")})
        return {"user": user.email, "language": get_language(), "sent": sent.delivered}

    def note(self, request: HttpRequest) -> None:
        raise LookupError("after a note")


class DeskPage(TemplateView):
    """A page with the tag."""

    template_name = "desk.html"


token = WebSocketTokenView.as_view()
