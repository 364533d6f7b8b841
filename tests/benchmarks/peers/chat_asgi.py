"""The ASGI application of the project with Channels, for daphne."""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.benchmarks.peers.chat")
from django.core.asgi import get_asgi_application

http_application = get_asgi_application()  # sets Django up: consumers use models

from channels.auth import AuthMiddlewareStack, get_user  # noqa: E402
from channels.generic.websocket import AsyncJsonWebsocketConsumer  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import AllowedHostsOriginValidator  # noqa: E402
from django.urls import path  # noqa: E402


class ChatConsumer(AsyncJsonWebsocketConsumer):
    """Answers from what it knows since the connect, and passes on what is sent to the group."""

    groups = ["lobby"]

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        """Answer with the text."""
        await self.send_json({"said": content["text"]})

    async def chat_message(self, event: dict[str, Any]) -> None:
        """Pass on."""
        await self.send(text_data=event["text"])


class CheckingConsumer(ChatConsumer):
    """Reads the user again before each answer, and compares its session hash."""

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        """Answer with the text, if there still is such a user."""
        user = await get_user(self.scope)
        if not user.is_authenticated or not user.is_active:
            await self.close()
            return
        await super().receive_json(content, **kwargs)


websockets = URLRouter(
    [
        path("chat/", ChatConsumer.as_asgi()),
        path("checked/", CheckingConsumer.as_asgi()),
    ]
)
application = ProtocolTypeRouter(
    {
        "http": http_application,
        "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(websockets)),
    }
)
