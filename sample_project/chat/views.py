"""The pages: login, room, history, and the button that notifies everyone."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.mixins import LoginRequiredMixin
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, JsonResponse
from django.urls import reverse
from django.views.generic import TemplateView, View

from chat.models import TEXT_MAX_LENGTH, Message
from chat.users import DEMO_USERS
from websocket_gateway.aws.endpoints import socket_url
from websocket_gateway.models import ApiGateway
from websocket_gateway.services.broadcasting import broadcast

CHANNEL = "lobby"
HISTORY_LENGTH = 50


class LoginPageView(LoginView):
    """Django's own login, with the two demo users named beside the form."""

    template_name = "chat/login.html"
    redirect_authenticated_user = True
    extra_context = {"demo_users": DEMO_USERS}


class RoomView(LoginRequiredMixin, TemplateView):
    """The chat. What the script needs to know is in the page as JSON."""

    template_name = "chat/room.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add the script's settings."""
        config = {
            "socketUrl": find_socket_url(),
            "channel": CHANNEL,
            "tokenUrl": reverse("token"),
            "historyUrl": reverse("history"),
            "notifyUrl": reverse("notify"),
            "loginUrl": reverse("login"),
            "username": self.request.user.get_username(),
        }
        return super().get_context_data(config=config, channel=CHANNEL, max_length=TEXT_MAX_LENGTH, **kwargs)


class HistoryView(LoginRequiredMixin, View):
    """What was said after the message `?after=`, so that a page which was away catches up."""

    def get(self, request: HttpRequest) -> JsonResponse:
        """At most 50 messages, the latest."""
        after = request.GET.get("after", "0")
        known = int(after) if after.isdecimal() and len(after) < 19 else 0
        newer = Message.objects.filter(pk__gt=known).select_related("author")
        latest = list(newer.order_by("-pk")[:HISTORY_LENGTH])
        return JsonResponse({"messages": [message.as_frame() for message in reversed(latest)]})


class NotifyView(LoginRequiredMixin, View):
    """Push a notification to everyone who is connected, from an ordinary view."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> JsonResponse:
        """Send it, and say how many got it."""
        text = f"{request.user.get_username()} waves at everyone."
        report = broadcast({"type": "notification", "text": text}, everyone=True)
        return JsonResponse({"delivered": report.delivered, "failed": report.failed})


def find_socket_url() -> str:
    """Where browsers connect to: the gateway that was applied last; empty while there is none."""
    gateway = ApiGateway.objects.exclude(api_endpoint="").order_by("-last_applied_on").first()
    if gateway is None:
        return ""
    return socket_url(api_endpoint=gateway.api_endpoint, stage_name=gateway.stage_name)
