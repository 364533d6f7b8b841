"""Connections: one socket, and the registry of all sockets."""

from __future__ import annotations

import asyncio
import base64
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from websocket_gateway.local.errors import LimitExceededError
from websocket_gateway.local.http import Send

State = Literal["pending", "open", "closed"]

SEND_TIMEOUT_SECONDS = 1.0
GOING_AWAY = 1001
CLIENT_LEFT = (OSError, RuntimeError)
"""The exceptions of uvicorn for a socket that has ended before the receiving side noticed."""


def new_opaque_id() -> str:
    """Return a new id in the form of connection, message and request ids: 16 characters, the last an `=`."""
    return base64.urlsafe_b64encode(secrets.token_bytes(11)).decode()


@dataclass(slots=True, eq=False, kw_only=True)
class Connection:
    """One socket."""

    id: str
    api_id: str
    stage: str
    domain_name: str
    source_ip: str
    user_agent: str
    send: Send
    abort: Callable[[], None]
    connected_at: float
    last_active_at: float
    state: State = "pending"
    close_code: int = 0
    close_reason: str = ""
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    """The messages that are being forwarded to the backend."""
    overtaken: asyncio.Event = field(default_factory=asyncio.Event)
    """Set, and replaced, when a post is delivered: posts that a fault holds back follow it."""

    def touch(self) -> None:
        """Record activity, which restarts the idle timeout."""
        self.last_active_at = time.time()

    async def send_text(self, text: str) -> bool:
        """Send a frame. Return `False` if the socket is closed.

        Raise `LimitExceededError` if the client does not read.
        """
        if self.state != "open":
            return False
        try:
            await asyncio.wait_for(
                self.send({"type": "websocket.send", "text": text}), timeout=SEND_TIMEOUT_SECONDS
            )
        except asyncio.TimeoutError:
            raise LimitExceededError("The client's send buffer is full") from None
        except CLIENT_LEFT:
            return False
        self.touch()
        return True

    async def close(self, code: int, reason: str) -> None:
        """Close the socket. Later posts to it fail."""
        if self.state == "closed":
            return
        was_open = self.state == "open"
        self.state = "closed"
        self.close_code, self.close_reason = code, reason
        if not was_open:
            return
        message = {"type": "websocket.close", "code": code, "reason": reason}
        try:
            await asyncio.wait_for(self.send(message), timeout=SEND_TIMEOUT_SECONDS)
        except asyncio.TimeoutError:
            self.abort()
        except CLIENT_LEFT:
            return


class Registry:
    """All sockets, by connection id."""

    def __init__(self) -> None:
        self._connections: dict[str, Connection] = {}

    def __iter__(self) -> Iterator[Connection]:
        return iter(list(self._connections.values()))

    def __len__(self) -> int:
        return len(self._connections)

    def add(self, connection: Connection) -> None:
        """Add a socket whose `$connect` will be sent next."""
        self._connections[connection.id] = connection

    def remove(self, connection: Connection) -> None:
        """Remove a socket."""
        self._connections.pop(connection.id, None)

    def find_open(self, connection_id: str, api_id: str, stage: str) -> Connection | None:
        """Return the open socket of that id on that stage, or `None`."""
        connection = self._connections.get(connection_id)
        if connection is None or connection.state != "open":
            return None
        return connection if (connection.api_id, connection.stage) == (api_id, stage) else None

    def overdue(self, *, now: float, idle_timeout: float, max_duration: float) -> list[Connection]:
        """Return the open sockets that exceed the idle timeout or the maximum duration."""
        return [
            connection
            for connection in self._connections.values()
            if connection.state == "open"
            and (
                now - connection.last_active_at >= idle_timeout
                or now - connection.connected_at >= max_duration
            )
        ]
