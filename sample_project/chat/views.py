"""The views of the chat: login, room, and a notification to everyone."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.mixins import LoginRequiredMixin
from django.contrib.auth.views import LoginView
from django.http import Http404, HttpRequest, JsonResponse
from django.urls import reverse
from django.views.generic import TemplateView, View
from project.exposure import EXPOSED

from chat.models import TEXT_MAX_LENGTH, Message
from chat.rooms import LOBBY, ROOMS, Room, find_room
from chat.users import DEMO_USERS
from websocket_gateway.connections import find_socket_url
from websocket_gateway.mixins import ResumeChannelsMixin
from websocket_gateway.models import ApiGateway
from websocket_gateway.sending import broadcast

HISTORY_LENGTH = 50


class LoginPageView(LoginView):
    """Django's login view. The page also shows the two demo users."""

    template_name = "chat/login.html"
    redirect_authenticated_user = True
    extra_context = {"demo_users": () if EXPOSED else DEMO_USERS}


class RoomView(LoginRequiredMixin, ResumeChannelsMixin, TemplateView):
    """The page of a room, with its latest messages and the configuration of the script as JSON.

    The positions of the channels are read before the messages: the script is sent everything that came after.
    The members are those who have the room open now, and the script begins with them.
    """

    template_name = "chat/room.html"
    resume_channels = tuple(room.slug for room in ROOMS)
    counts_inbox = True

    def get_presence_channels(self) -> list[str]:
        """Return the channel of the pages that show the room."""
        return [self.get_room().here]

    def get_room(self) -> Room:
        """Return the room of the page."""
        room = find_room(self.kwargs.get("room", LOBBY.slug))
        if room is None:
            raise Http404("There is no such room.")
        return room

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add the room, and the configuration of the script."""
        room = self.get_room()
        config = {
            "room": room.slug,
            "here": room.here,
            "rooms": [other.slug for other in ROOMS],
            "messages": latest_messages(room.slug),
            "notifyUrl": reverse("notify"),
            "loginUrl": f"{reverse('login')}?next={self.request.path}",
            "username": self.request.user.get_username(),
        }
        context = {
            "config": config,
            "gateway": find_gateway(),
            "max_length": TEXT_MAX_LENGTH,
            "people": self.channel_members[room.here],
            "room": room,
            "rooms": ROOMS,
        }
        return super().get_context_data(**{**kwargs, **context})


def latest_messages(room: str) -> list[dict[str, Any]]:
    """Return the latest 50 messages of the room, the oldest first."""
    latest = Message.objects.filter(room=room).select_related("author").order_by("-pk")[:HISTORY_LENGTH]
    return [message.as_frame() for message in reversed(latest)]


class NotifyView(LoginRequiredMixin, View):
    """Send a notification to every open connection, from an ordinary view."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> JsonResponse:
        """Send it, and return how many connections received it."""
        text = f"{request.user.get_username()} waves at everyone."
        report = broadcast({"type": "notification", "text": text}, everyone=True)
        return JsonResponse({"delivered": report.delivered, "failed": report.failed})


def find_gateway() -> ApiGateway | None:
    """Return the gateway for browsers: the one that was applied last, or None."""
    return ApiGateway.objects.exclude(api_endpoint="").order_by("-last_applied_on").first()


def find_address() -> str:
    """Return the `wss://` address of that gateway, or an empty string."""
    gateway = find_gateway()
    return "" if gateway is None else find_socket_url(gateway)
