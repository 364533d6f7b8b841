"""A client that drives a `WebSocketView` without AWS and without a socket."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.generic import View

from websocket_gateway.channels import history
from websocket_gateway.conf import get_settings
from websocket_gateway.frames import RESERVED_KEY
from websocket_gateway.models import ApiGateway, WebSocketSession
from websocket_gateway.receiving.tokens import make_token
from websocket_gateway.sending.publishing import finish_in_test
from websocket_gateway.testing import events
from websocket_gateway.testing.connections import ChannelAnswer, Cursors, FakeConnections
from websocket_gateway.testing.targets import Target, any_gateway

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Reply:
    """The response of the view to one event, as API Gateway gets it."""

    def __init__(self, response: HttpResponseBase) -> None:
        self.response = response
        self.status_code = response.status_code
        self.content: bytes = getattr(response, "content", b"")

    @property
    def ok(self) -> bool:
        """Whether the status is a 2xx."""
        return 200 <= self.status_code < 300

    def json(self) -> Any:
        """Return the frame that the client would get, parsed; None for no frame."""
        return json.loads(self.content) if self.content else None

    @property
    def error(self) -> str | None:
        """The code of an error frame; None for any other frame."""
        body = _object(self)
        ours = body.get(RESERVED_KEY) if isinstance(body, dict) else None
        code: str | None = ours.get("error", {}).get("code") if isinstance(ours, dict) else None
        return code

    def __repr__(self) -> str:
        return f"<Reply {self.status_code} {self.content[:200]!r}>"


class WebSocketClient:
    """One client of one view: `connect`, `send`, `disconnect`, and the messages sent to it."""

    def __init__(
        self,
        view: type[View] | Callable[..., HttpResponseBase] | str,
        *,
        gateway: ApiGateway | None = None,
        connections: FakeConnections | None = None,
        url_kwargs: Mapping[str, object] | None = None,
        **initkwargs: object,
    ) -> None:
        """`view` is a `WebSocketView` class, the result of its `as_view()`, or a path such as `"/ws/"`.

        `url_kwargs` are the arguments of its URL besides `route`; a path takes them from the URLconf, and
        raises `ValueError` if it leads nowhere. Further keywords go to `as_view()`.
        """
        self._target = Target(view, url_kwargs or {}, initkwargs)
        self._gateway = gateway
        self.connection_id = events.new_connection_id()
        self._connections = connections
        self._cursors = Cursors()

    def connect(
        self,
        *,
        user: AbstractBaseUser | None = None,
        token: str | None = None,
        channel: str | None = None,
        headers: Mapping[str, str] | None = None,
        **options: Unpack[events.ConnectOptions],
    ) -> Reply:
        """Open the connection, for `user` with a new token, or with the token that is given.

        It comes from a page of an allowed origin, unless `origin` is given (None: a native client). A new
        token is not counted as one that the user has fetched.
        """
        if user is not None and token is None and "subprotocol_token" not in options:
            session = options.get("session")
            token = make_token(user, session.session_key if isinstance(session, SessionBase) else None)
        options.setdefault("origin", _page_origin())
        options.setdefault("path", f"{self._target.path}connect")
        request = events.connect_request(
            self.gateway,
            connection_id=self.connection_id,
            token=token,
            channel=channel,
            headers=headers,
            **options,
        )
        reply = self._answer(request, "connect", lenient=user is not None)
        if reply.ok and channel and history.has_history(channel):
            self._cursors.move(channel, history.position(channel))
        return reply

    def send(
        self, frame: object, *, reply_id: str | None = None, **options: Unpack[events.MessageOptions]
    ) -> Reply:
        """Send one frame; with `reply_id`, which needs a dict, the client wants a reply."""
        if reply_id is not None:
            if not isinstance(frame, Mapping):
                raise TypeError(f"A frame with a reply_id must be a dict, not {type(frame).__name__}.")
            frame = {**frame, RESERVED_KEY: {**frame.get(RESERVED_KEY, {}), "id": reply_id}}
        slug = options.get("route_key", "$default").lstrip("$")
        options.setdefault("path", self._target.path + slug)
        request = events.message_request(self.gateway, self.connection_id, frame, **options)
        reply = self._answer(request, slug)
        self._cursors.answered(_object(reply))
        return reply

    def control(self, kind: str, *, reply_id: str | None = None, **fields: object) -> Reply:
        """Send a control frame such as `ping` or `subscribe`."""
        return self.send({RESERVED_KEY: {"type": kind, **fields}}, reply_id=reply_id)

    def subscribe(self, channel: str, since: Mapping[str, object] | None = None) -> ChannelAnswer:
        """Join a channel, from a position, `{"last": 20}`, `{"acked": True}` or now; returns the answer."""
        return self._ask_channel("subscribe", channel, since)

    def ack(self, channel: str, offset: int | Mapping[str, object] | None = None) -> ChannelAnswer:
        """Acknowledge up to `offset`, by default what the client has; the answer has `unread` or `error`."""
        return self._ask_channel("ack", channel, self.position(channel) if offset is None else offset)

    def recover(self, channel: str, position: Mapping[str, object] | None = None) -> ChannelAnswer:
        """What the client missed in a channel with a history: the answer for this channel.

        It begins at `position`, else at `client.position(channel)`. It has `epoch`, `offset`, perhaps
        `messages` and `more`; or `error`; or `lost`.
        """
        return self._ask_channel("recover", channel, self.position(channel) if position is None else position)

    def position(self, channel: str) -> history.ChannelPosition | None:
        """After the last message of a channel that the client got without a gap; None before it joined."""
        self._cursors.pushed(self.received)
        return self._cursors.get(channel)

    @contextmanager
    def losing(self) -> Iterator[None]:
        """Lose what the server sends to this connection within a `with` block, as a network can."""
        lost = self._connections.losing if self._connections else set()
        finish_in_test()
        lost.add(self.connection_id)
        try:
            yield
            finish_in_test()
        finally:
            lost.discard(self.connection_id)

    def disconnect(self, **options: Unpack[events.RequestOptions]) -> Reply:
        """Close the connection."""
        options.setdefault("path", f"{self._target.path}disconnect")
        request = events.disconnect_request(self.gateway, self.connection_id, **options)
        return self._answer(request, "disconnect")

    async def aconnect(self, *, user: AbstractBaseUser | None = None, **options: Any) -> Reply:
        """`connect` from an asynchronous test."""
        return await sync_to_async(self.connect)(user=user, **options)

    async def asend(
        self, frame: object, *, reply_id: str | None = None, **options: Unpack[events.MessageOptions]
    ) -> Reply:
        """`send` from an asynchronous test."""
        return await sync_to_async(self.send)(frame, reply_id=reply_id, **options)

    async def acontrol(self, kind: str, *, reply_id: str | None = None, **fields: object) -> Reply:
        """`control` from an asynchronous test."""
        return await sync_to_async(self.control)(kind, reply_id=reply_id, **fields)

    async def asubscribe(self, channel: str, since: Mapping[str, object] | None = None) -> ChannelAnswer:
        """`subscribe` from an asynchronous test."""
        return await sync_to_async(self.subscribe)(channel, since)

    async def arecover(self, channel: str, position: Mapping[str, object] | None = None) -> ChannelAnswer:
        """`recover` from an asynchronous test."""
        return await sync_to_async(self.recover)(channel, position)

    async def aack(self, channel: str, offset: int | Mapping[str, object] | None = None) -> ChannelAnswer:
        """`ack` from an asynchronous test."""
        return await sync_to_async(self.ack)(channel, offset)

    async def adisconnect(self, **options: Unpack[events.RequestOptions]) -> Reply:
        """`disconnect` from an asynchronous test."""
        return await sync_to_async(self.disconnect)(**options)

    @cached_property
    def gateway(self) -> ApiGateway:
        """The gateway that the events come from; one that is in the database, or else a new row."""
        return self._gateway or any_gateway(self._target.attribute("aws_api_gateway_id"))

    @property
    def session(self) -> WebSocketSession:
        """The row of the connection, read again each time. Raises `WebSocketSession.DoesNotExist`."""
        row: WebSocketSession = WebSocketSession.objects.get(connection_id=self.connection_id)
        return row

    @property
    def received(self) -> list[Any]:
        """The messages that the server sent to this connection, without replies.

        In a test whose transaction never commits (`TestCase`, pytest's `db`), messages to channels with a
        history are numbered and sent when this is read, as if the transaction had committed. So are joins and
        leaves of channels with presence, after each event of a client.
        """
        if self._connections is None:
            return []
        finish_in_test()
        return self._connections.messages_to(self.connection_id)

    def _ask_channel(self, kind: str, channel: str, since: object) -> ChannelAnswer:
        finish_in_test()
        answer = self.control(kind, reply_id=kind, channels={channel: since}).json()
        return answer[RESERVED_KEY]["channels"][channel]  # type: ignore[no-any-return]

    def _answer(self, request: HttpRequest, slug: str, *, lenient: bool = False) -> Reply:
        response = self._target.call(request, slug, lenient=lenient)
        session = getattr(request, "session", None)
        if session is not None and session.modified and not session.is_empty():
            session.save()  # as the middleware does
        finish_in_test()  # what the event has left for the commit, such as joins of channels with presence
        return Reply(response)


def _object(reply: Reply) -> object:
    return reply.json() if reply.content[:1] == b"{" else None


def _page_origin() -> str:
    # Django's test runners add `testserver` to ALLOWED_HOSTS.
    allowed = get_settings().allowed_origins or ("https://testserver",)
    return allowed[0].replace("*.", "www.")
