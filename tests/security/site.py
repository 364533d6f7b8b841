"""The site that is attacked: every hook and every handler leaves a row that any process can see."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from django.contrib import admin
from django.contrib.auth.models import Group
from django.http import HttpRequest
from django.urls import path

from websocket_gateway.receiving.handlers import requires
from websocket_gateway.views import WebSocketTokenView, WebSocketView


def note(view: WebSocketView, what: str) -> None:
    """Leave a row that says what ran, for which connection and for which user."""
    event = getattr(view, "event", None)
    connection_id = getattr(event, "connection_id", "")[:80]
    Group.objects.create(name=f"{what} {connection_id} {view.request.user} {uuid4().hex[:8]}")


class AttackedView(WebSocketView):
    """A chat as projects write it, with a secret or two that must not be reached by a name."""

    ADDITIONAL_ALLOWED_HANDLERS = ["change_channel"]
    RATE_LIMIT_ENABLED = False
    MAX_MESSAGES_PER_MINUTE = 0
    api_key = "a-value-of-the-class"

    def connect(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        note(self, "connect")
        return super().connect(request)

    def disconnect(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        note(self, "disconnect")

    def say(self, request: HttpRequest) -> dict[str, Any]:
        note(self, "say")
        return {"said": self.body.get("text")}

    @requires(any_of=["auth.delete_user"])
    def guarded(self, request: HttpRequest) -> None:
        note(self, "guarded")

    def _private(self, request: HttpRequest) -> None:
        note(self, "_private")

    @staticmethod
    def static(*args: Any) -> None:
        Group.objects.create(name="static")

    @classmethod
    def of_class(cls, *args: Any) -> None:
        Group.objects.create(name="of_class")

    @property
    def prop(self) -> str:
        note(self, "prop")
        return "a-value-of-a-property"

    class Nested:
        def __init__(self, *args: Any) -> None:
            Group.objects.create(name="Nested")

    helper = print


class LimitedView(AttackedView):
    """Small limits."""

    RATE_LIMIT_ENABLED = True
    RATE_LIMIT_MAX_ATTEMPTS = 3
    RATE_LIMIT_MAX_ATTEMPTS_PER_IP = 3
    MAX_CONNECTIONS_PER_USER = 0
    MAX_MESSAGES_PER_MINUTE = 3
    MAX_SUBSCRIPTIONS = 3
    MAX_BODY_SIZE = 3_000


class CrowdedView(LimitedView):
    """As many attempts as one likes, few connections."""

    RATE_LIMIT_ENABLED = False
    MAX_CONNECTIONS_PER_USER = 3


urlpatterns = [
    path("ws/<str:route>", AttackedView.as_view(), name="ws"),
    path("limited/<str:route>", LimitedView.as_view()),
    path("crowded/<str:route>", CrowdedView.as_view()),
    path("subscribing/<str:route>", LimitedView.as_view(MAX_MESSAGES_PER_MINUTE=0)),
    path("token/", WebSocketTokenView.as_view(), name="token"),
    path("admin/", admin.site.urls),
]
