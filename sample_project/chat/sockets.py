"""The WebSocket handlers of the chat."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from chat.mentions import notify_mentioned
from chat.models import KEY_MAX_LENGTH, TEXT_MAX_LENGTH, Message
from chat.rooms import find_room
from websocket_gateway.models import WebSocketSession
from websocket_gateway.sending import broadcast
from websocket_gateway.views import WebSocketView


class ChatSocketView(WebSocketView):
    """Clients call `send_message` by sending `{"handler": "send_message", "text": "…"}`."""

    # After a lost connection, the page sends unanswered messages again. Each must be saved only once.
    deduplicate = True

    def can_join_channel(self, request: HttpRequest, channel_name: str) -> bool:
        """Allow every user to join the rooms that exist."""
        return find_room(channel_name.removeprefix("here_")) is not None

    def presence_info(self, request: HttpRequest, channel_name: str) -> dict[str, Any]:
        """Return what the other users in a room see of this one."""
        return {"name": request.user.get_username()}

    def send_message(self, request: HttpRequest) -> dict[str, Any]:
        """Save the message, and send it to all users in the room, including its author."""
        text, key = self.body.get("text"), self.body.get("key", "")
        if not isinstance(text, str) or not text.strip():
            return {"type": "problem", "text": "The message is empty."}
        if len(text) > TEXT_MAX_LENGTH:
            return {"type": "problem", "text": f"A message can have at most {TEXT_MAX_LENGTH} characters."}
        if not isinstance(key, str) or len(key) > KEY_MAX_LENGTH:
            return {"type": "problem", "text": "The key of this message is too long or not a text."}
        room = self.websocket_session.channel_name
        message = Message.objects.create(author=request.user, room=room, text=text.strip(), key=key)
        # The room has a history: this commits together with the message, and is sent after the commit.
        broadcast(message.as_frame(), channel=room)
        notify_mentioned(message)
        return {"type": "accepted", "id": message.pk}

    def typing(self, request: HttpRequest) -> None:
        """Tell the other users in the room that this user is typing. This is not saved."""
        frame = {"type": "typing", "room": self.websocket_session.channel_name, "author": str(request.user)}
        others = WebSocketSession.objects.filter(channel_name=self.websocket_session.channel_name)
        others.exclude(user=self.websocket_session.user).send_message(frame)
