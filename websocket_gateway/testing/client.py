"""A client that drives a `WebSocketView` without AWS and without a socket."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.http.response import HttpResponseBase

from websocket_gateway.conf import get_settings
from websocket_gateway.frames import RESERVED_KEY
from websocket_gateway.models import ApiGateway, WebSocketSession
from websocket_gateway.receiving.tokens import issue_token
from websocket_gateway.testing import events
from websocket_gateway.testing.connections import FakeConnections


class Reply:
    """What the view answered to one event, as API Gateway would see it."""

    def __init__(self, response: HttpResponseBase) -> None:
        self.response = response
        self.status_code = response.status_code
        self.content: bytes = getattr(response, "content", b"")

    @property
    def ok(self) -> bool:
        """Whether the status is a 2xx."""
        return 200 <= self.status_code < 300

    def json(self) -> Any:
        """The frame that the client would get, as JSON; None for no frame."""
        return json.loads(self.content) if self.content else None

    @property
    def error(self) -> str | None:
        """The code of an error frame; None if it is none."""
        body = self.json() if self.content[:1] == b"{" else None
        ours = body.get(RESERVED_KEY) if isinstance(body, dict) else None
        code: str | None = ours.get("error", {}).get("code") if isinstance(ours, dict) else None
        return code

    def __repr__(self) -> str:
        return f"<Reply {self.status_code} {self.content[:200]!r}>"


class WebSocketClient:
    """One client of one view: `connect`, `send`, `disconnect`, and what it was sent meanwhile."""

    def __init__(
        self,
        view: Any,
        *,
        gateway: ApiGateway | None = None,
        connections: FakeConnections | None = None,
        **initkwargs: Any,
    ) -> None:
        """`view` is a `WebSocketView` class, or what its `as_view()` returned."""
        self._view = view.as_view(**initkwargs) if hasattr(view, "as_view") else view
        self.gateway = gateway or _any_gateway()
        self.connection_id = events.new_connection_id()
        self._connections = connections

    def connect(
        self,
        *,
        user: AbstractBaseUser | None = None,
        token: str | None = None,
        channel: str | None = None,
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Reply:
        """Open the connection, for `user` with a token issued to them, or with what is given.

        It comes from a page of an allowed origin, unless `origin` is given (None: a native client).
        """
        if user is not None and token is None and "subprotocol_token" not in options:
            token = issue_token(user)
        options.setdefault("origin", _page_origin())
        request = events.connect_request(
            self.gateway,
            connection_id=self.connection_id,
            token=token,
            channel=channel,
            headers=headers,
            **options,
        )
        return Reply(self._view(request, route="connect"))

    def send(self, frame: Any, *, reply_id: str | None = None, **options: Any) -> Reply:
        """Send one frame; with `reply_id` the client asks for a reply."""
        if reply_id is not None:
            frame = {**frame, RESERVED_KEY: {**frame.get(RESERVED_KEY, {}), "id": reply_id}}
        request = events.message_request(self.gateway, self.connection_id, frame, **options)
        return Reply(self._view(request, route="default"))

    def control(self, kind: str, *, reply_id: str | None = None, **fields: Any) -> Reply:
        """Send a control frame such as `ping` or `subscribe`."""
        return self.send({RESERVED_KEY: {"type": kind, **fields}}, reply_id=reply_id)

    def disconnect(self, **options: Any) -> Reply:
        """Close the connection."""
        request = events.disconnect_request(self.gateway, self.connection_id, **options)
        return Reply(self._view(request, route="disconnect"))

    @property
    def session(self) -> WebSocketSession:
        """The connection's row, read afresh. Raises `WebSocketSession.DoesNotExist`."""
        row: WebSocketSession = WebSocketSession.objects.get(connection_id=self.connection_id)
        return row

    @property
    def received(self) -> list[Any]:
        """What this connection was sent from the server's side, replies apart."""
        return self._connections.messages_to(self.connection_id) if self._connections else []


def _page_origin() -> str:
    # Django's test runners add `testserver` to ALLOWED_HOSTS.
    allowed = get_settings().allowed_origins or ("https://testserver",)
    return allowed[0].replace("*.", "www.")


def _any_gateway() -> ApiGateway:
    gateway: ApiGateway | None = ApiGateway.objects.exclude(api_id="").first()
    if gateway is not None:
        return gateway
    made: ApiGateway = ApiGateway.objects.create(
        api_name="testing",
        region_name="eu-west-1",
        target_base_endpoint="https://www.example.com/ws/",
        api_id="testing0001",
        api_endpoint="wss://testing0001.execute-api.eu-west-1.amazonaws.com",
        api_created=True,
    )
    return made
