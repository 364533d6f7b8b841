"""Who is connected: the registry of sockets, and what can be done to one."""

from __future__ import annotations

import asyncio
import base64
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Literal

from websocket_gateway.local.errors import LimitExceededError

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
State = Literal["pending", "open", "closed"]

SEND_PATIENCE_SECONDS = 1.0
GOING_AWAY = 1001
CLIENT_LEFT = (OSError, RuntimeError)
"""What uvicorn raises when the socket has ended and the receiving side has not noticed yet."""


def new_opaque_id() -> str:
    """An id in the form of connection, message and request ids: 16 characters, the last an `=`."""
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
    """Messages on their way to the backend."""

    def touch(self) -> None:
        """Note activity, which postpones the idle timeout."""
        self.last_active_at = time.time()

    async def send_text(self, text: str) -> bool:
        """Send a frame; `False` when the socket is closed. A client that does not read is a 429."""
        if self.state != "open":
            return False
        try:
            await asyncio.wait_for(
                self.send({"type": "websocket.send", "text": text}), timeout=SEND_PATIENCE_SECONDS
            )
        except asyncio.TimeoutError:
            raise LimitExceededError("The client's send buffer is full") from None
        except CLIENT_LEFT:
            return False
        self.touch()
        return True

    async def close(self, code: int, reason: str) -> None:
        """Close the socket; from now on nobody can post to it."""
        if self.state == "closed":
            return
        was_open = self.state == "open"
        self.state = "closed"
        self.close_code, self.close_reason = code, reason
        if not was_open:
            return
        message = {"type": "websocket.close", "code": code, "reason": reason}
        try:
            await asyncio.wait_for(self.send(message), timeout=SEND_PATIENCE_SECONDS)
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
        """Register a socket whose `$connect` is about to be sent."""
        self._connections[connection.id] = connection

    def remove(self, connection: Connection) -> None:
        """Forget a socket."""
        self._connections.pop(connection.id, None)

    def find_open(self, connection_id: str, api_id: str, stage: str) -> Connection | None:
        """The open socket of that id on that stage."""
        connection = self._connections.get(connection_id)
        if connection is None or connection.state != "open":
            return None
        return connection if (connection.api_id, connection.stage) == (api_id, stage) else None

    def overdue(self, *, now: float, idle_timeout: float, max_duration: float) -> list[Connection]:
        """Open sockets that have been silent, or have lasted, for too long."""
        return [
            connection
            for connection in self._connections.values()
            if connection.state == "open"
            and (
                now - connection.last_active_at >= idle_timeout
                or now - connection.connected_at >= max_duration
            )
        ]
