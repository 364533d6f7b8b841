"""A substitute for `@connections` that records the frames instead of sending them."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

from websocket_gateway.aws.connections import use_connections
from websocket_gateway.aws.endpoints import ManagementEndpoint
from websocket_gateway.exceptions import ConnectionGoneError
from websocket_gateway.frames import RESERVED_KEY

if TYPE_CHECKING:
    from websocket_gateway.channels.history import ChannelPosition


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
    """Records posts and closings. Ids in `gone` answer 410; ids in `failures` raise the exception there.

    Frames to ids in `losing` are accepted and get lost, as API Gateway can lose them.
    """

    def __init__(self) -> None:
        self.sent: list[SentFrame] = []
        self.closed: list[str] = []
        self.gone: set[str] = set()
        self.failures: dict[str, Exception] = {}
        self.losing: set[str] = set()
        self._lock = threading.Lock()

    def post(self, endpoint: ManagementEndpoint, connection_id: str, data: bytes) -> None:
        """Record one frame, unless it gets lost."""
        self._check(connection_id, "PostToConnection")
        if connection_id in self.losing:
            return
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


class ChannelAnswer(TypedDict, total=False):
    """What a reply to a control frame says of one channel."""

    epoch: str
    offset: int
    messages: list[dict[str, Any]]
    more: bool
    lost: str
    acked: int
    last: int
    unread: int
    error: dict[str, str]


class Cursors:
    """The positions of one connection in its channels, counted by the frames that it got."""

    def __init__(self) -> None:
        self._positions: dict[str, ChannelPosition] = {}
        self._early: set[tuple[str, str, int]] = set()
        self._read = 0

    def get(self, channel: str) -> ChannelPosition | None:
        """After the last message that the connection has without a gap; None if it has no position."""
        return self._positions.get(channel)

    def answered(self, frame: object) -> None:
        """Take the positions of an answer to `subscribe` or `recover`; nothing, from any other frame."""
        channels = _metadata(frame).get("channels")
        for name, answer in channels.items() if isinstance(channels, dict) else ():
            if "epoch" in answer and "offset" in answer:
                messages = answer.get("messages") or [answer]
                self.move(name, {"epoch": answer["epoch"], "offset": messages[-1]["offset"]})

    def pushed(self, frames: Sequence[object]) -> None:
        """Count what the server has sent so far: all frames, the ones of the calls before included."""
        for frame in frames[self._read :]:
            place = _metadata(frame)
            if "offset" in place:
                self._early.add((place["channel"], place["epoch"], place["offset"]))
        self._read = len(frames)
        for name, position in list(self._positions.items()):
            self.move(name, position)

    def move(self, channel: str, position: ChannelPosition) -> None:
        """Continue at `position`, and after the messages that came early and follow it."""
        epoch, offset = position["epoch"], position["offset"]
        if not epoch:  # the channel had no message so far: its first one says the epoch
            epoch = next((key[1] for key in self._early if (key[0], key[2]) == (channel, 1)), "")
        while (channel, epoch, offset + 1) in self._early:
            offset += 1
        self._positions[channel] = {"epoch": epoch, "offset": offset}


def _metadata(frame: object) -> dict[str, Any]:
    found = frame.get(RESERVED_KEY) if isinstance(frame, dict) else None
    return found if isinstance(found, dict) else {}
