"""A substitute for `@connections` that records the frames instead of sending them."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from websocket_gateway.aws.connections import use_connections
from websocket_gateway.aws.endpoints import ManagementEndpoint
from websocket_gateway.exceptions import ConnectionGoneError


@dataclass(frozen=True, slots=True, kw_only=True)
class SentFrame:
    """One post: its endpoint, its connection, its bytes."""

    endpoint: ManagementEndpoint
    connection_id: str
    data: bytes

    @property
    def message(self) -> Any:
        """The frame, parsed as JSON; its text if it is not JSON."""
        try:
            return json.loads(self.data)
        except ValueError:
            return self.data.decode(errors="replace")


class FakeConnections:
    """Records posts and closings. Ids in `gone` answer 410; ids in `failures` raise the exception there."""

    def __init__(self) -> None:
        self.sent: list[SentFrame] = []
        self.closed: list[str] = []
        self.gone: set[str] = set()
        self.failures: dict[str, Exception] = {}
        self._lock = threading.Lock()

    def post(self, endpoint: ManagementEndpoint, connection_id: str, data: bytes) -> None:
        """Record one frame."""
        self._check(connection_id, "PostToConnection")
        with self._lock:
            self.sent.append(SentFrame(endpoint=endpoint, connection_id=connection_id, data=data))

    def get(self, endpoint: ManagementEndpoint, connection_id: str) -> None:
        """Report the connection as open, unless it is gone."""
        self._check(connection_id, "GetConnection")

    def delete(self, endpoint: ManagementEndpoint, connection_id: str) -> None:
        """Record that the connection was closed; from now on it is gone."""
        self._check(connection_id, "DeleteConnection")
        with self._lock:
            self.closed.append(connection_id)
            self.gone.add(connection_id)

    def messages_to(self, connection_id: str) -> list[Any]:
        """Return the messages to one connection, in order."""
        return [frame.message for frame in self.sent if frame.connection_id == connection_id]

    def by_connection(self) -> dict[str, list[Any]]:
        """Return the messages to each connection."""
        found: dict[str, list[Any]] = defaultdict(list)
        for frame in self.sent:
            found[frame.connection_id].append(frame.message)
        return dict(found)

    def _check(self, connection_id: str, operation: str) -> None:
        if connection_id in self.failures:
            raise self.failures[connection_id]
        if connection_id in self.gone:
            raise ConnectionGoneError(
                f"{operation}: the connection is gone.",
                operation=operation,
                code="GoneException",
                status=410,
            )


@contextmanager
def record_connections() -> Iterator[FakeConnections]:
    """Send nothing within a `with` block, and record the frames instead."""
    fake = FakeConnections()
    with use_connections(fake):
        yield fake
