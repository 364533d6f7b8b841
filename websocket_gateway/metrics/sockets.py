"""EMF lines to a datagram or stream socket. No write waits, and no failure is raised."""

from __future__ import annotations

import select
import socket
import time
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

from websocket_gateway.forking import PerProcess

_PAUSE_SECONDS: Final = 5.0
"""After a failure, the destination is left alone for so long."""


class SocketOutput:
    """An agent of CloudWatch, or another collector: `udp://`, `tcp://` or `unix://`."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._is_stream = parts.scheme != "udp"
        if parts.scheme == "unix":
            self._family, self._address = socket.AF_UNIX, parts.path
        else:
            host = parts.hostname or ""
            self._family = socket.AF_INET6 if ":" in host else socket.AF_INET
            self._address = (host, parts.port)  # type: ignore[assignment]
        self._states = PerProcess(_Socket, leave=_Socket.close)

    def write(self, line: bytes) -> bool:
        """See `Output.write`."""
        state = self._states()
        try:
            if state.socket is None and not self._open(state):
                return False
            return self._send(state, line)
        except BlockingIOError:
            return False
        except OSError:
            state.close()
            state.retry_at = time.monotonic() + _PAUSE_SECONDS
            return False

    def _open(self, state: _Socket) -> bool:
        if time.monotonic() < state.retry_at:
            return False
        kind = socket.SOCK_STREAM if self._is_stream else socket.SOCK_DGRAM
        state.socket = socket.socket(self._family, kind)
        state.socket.setblocking(False)
        with suppress(BlockingIOError):  # it is connected later
            state.socket.connect(self._address)
        return True

    def _send(self, state: _Socket, line: bytes) -> bool:
        """Send what an earlier call left of its line, then this line; part of it may be left."""
        opened = state.socket
        if opened is None or not select.select([], [opened], [], 0)[1]:
            return False
        if state.rest:
            state.rest = state.rest[opened.send(state.rest) :]
            if state.rest:
                return False
        state.rest = line[opened.send(line) :]
        return True


class _Socket:
    """The socket of one process."""

    def __init__(self) -> None:
        self.socket: socket.socket | None = None
        self.rest = b""
        self.retry_at = 0.0

    def close(self) -> None:
        """Close it; what was left of a line is lost."""
        if self.socket is not None:
            self.socket.close()
        self.socket, self.rest = None, b""
