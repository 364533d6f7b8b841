"""What the chat does with the events of the gateway."""

from __future__ import annotations

from typing import Any

from django.dispatch import receiver
from django.http import HttpRequest

from chat.models import KEY_MAX_LENGTH, TEXT_MAX_LENGTH, Message
from chat.rooms import find_room, render_people
from websocket_gateway.models import WebSocketSession
from websocket_gateway.signals import connected, disconnected
from websocket_gateway.views import WebSocketView


class ChatSocketView(WebSocketView):
    """Clients call `send_message` by sending `{"handler": "send_message", "text": "…"}`."""

    # The page sends again what was not answered before a cut; nobody shall read it twice.
    deduplicate = True

    def can_join_channel(self, request: HttpRequest, channel_name: str) -> bool:
        """Let everyone into the rooms that there are."""
        return find_room(channel_name) is not None

    def send_message(self, request: HttpRequest) -> dict[str, Any]:
        """Keep what was said, and send it to everyone in the speaker's room, the speaker included."""
        text, key = self.body.get("text"), self.body.get("key", "")
        if not isinstance(text, str) or not text.strip():
            return {"type": "problem", "text": "There is nothing in this message."}
        if len(text) > TEXT_MAX_LENGTH:
            return {"type": "problem", "text": f"A message has at most {TEXT_MAX_LENGTH} characters."}
        if not isinstance(key, str) or len(key) > KEY_MAX_LENGTH:
            return {"type": "problem", "text": "The key of this message is too long or no text."}
        room = self.websocket_session.channel_name
        message = Message.objects.create(author=request.user, room=room, text=text.strip(), key=key)
        # Not before it is kept: a handler of a view that deduplicates runs in a transaction.
        WebSocketSession.objects.in_channel(room).send_message(message.as_frame(), on_commit=True)
        return {"type": "accepted", "id": message.pk}

    def typing(self, request: HttpRequest) -> None:
        """Tell the room that somebody writes. Kept nowhere."""
        frame = {"type": "typing", "room": self.websocket_session.channel_name, "author": str(request.user)}
        others = WebSocketSession.objects.filter(channel_name=self.websocket_session.channel_name)
        others.exclude(user=self.websocket_session.user).send_message(frame)

    def people(self, request: HttpRequest) -> dict[str, Any]:
        """Who is here, as HTML; a page asks when it has just connected."""
        return dict(render_people(self.websocket_session.channel_name))


@receiver([connected, disconnected])
def show_who_is_here(session: WebSocketSession, **kwargs: Any) -> None:
    """Somebody came or went: send the list anew to those who have the room open."""
    others = WebSocketSession.objects.filter(channel_name=session.channel_name).exclude(pk=session.pk)
    others.send_message(render_people(session.channel_name))
