"""What the chat does with the events of the gateway."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from chat.models import TEXT_MAX_LENGTH, Message
from websocket_gateway.models import WebSocketSession
from websocket_gateway.views import WebSocketView


class ChatSocketView(WebSocketView):
    """Clients call `send_message` by sending `{"handler": "send_message", "text": "…"}`."""

    def send_message(self, request: HttpRequest) -> dict[str, Any] | None:
        """Keep what was said, and send it to everyone in the speaker's channel, the speaker included."""
        text = self.body.get("text")
        if not isinstance(text, str) or not text.strip():
            return {"type": "problem", "text": "There is nothing in this message."}
        if len(text) > TEXT_MAX_LENGTH:
            return {"type": "problem", "text": f"A message has at most {TEXT_MAX_LENGTH} characters."}
        message = Message.objects.create(author=request.user, text=text.strip())
        channel = self.websocket_session.channel_name
        WebSocketSession.objects.in_channel(channel).send_message(message.as_frame())
        return None
