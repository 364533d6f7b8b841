"""Events sent through the whole stack with Django's test client, as API Gateway posts them."""

from __future__ import annotations

from typing import Any

from django.test import Client

from websocket_gateway.models import ApiGateway
from websocket_gateway.testing import events


class Stack:
    """One connection, by URL; `cookies` of the given client come along at `$connect` only."""

    def __init__(
        self, gateway: ApiGateway, *, base: str = "/ws/", client: Client | None = None, **options: Any
    ) -> None:
        self.gateway = gateway
        self.connection_id = options.pop("connection_id", "") or events.new_connection_id()
        self.base = base
        self.client = client or Client(**options)

    def connect(self, *, token: str | None = None, channel: str | None = None, **options: Any) -> Any:
        headers = events.connect_headers(self.gateway, self.connection_id, **options)
        query = events.connect_query(token=token, channel=channel)
        return self._post("connect" + (f"?{query}" if query else ""), b"", headers)

    def send(self, frame: Any) -> Any:
        headers = events.event_headers(self.gateway, self.connection_id, "MESSAGE", "$default")
        return self._post("default", events.encode_frame(frame), headers, cookies=False)

    def disconnect(self) -> Any:
        headers = events.event_headers(self.gateway, self.connection_id, "DISCONNECT", "$disconnect")
        return self._post("disconnect", b"", headers, cookies=False)

    def _post(self, path: str, body: bytes, headers: dict[str, str], *, cookies: bool = True) -> Any:
        client = self.client if cookies else Client(raise_request_exception=False)
        return client.post(self.base + path, body, content_type="application/json", headers=headers)
