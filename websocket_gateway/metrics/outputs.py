"""Where EMF lines go: stdout, or a datagram or stream socket. No write waits, and no failure is raised."""

from __future__ import annotations

import os
import select
import socket
import stat
import time
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

from websocket_gateway.forking import PerProcess
from websocket_gateway.metrics.emf import Output

_STDOUT: Final = 1
_STDERR: Final = 2
_PAUSE_SECONDS: Final = 5.0
"""After a failure, the destination is left alone for so long."""


def open_output(url: str) -> Output:
    """The destination of a URL that `choosing.parse` has checked; stdout for an empty one."""
    return SocketOutput(url) if url else StdoutOutput()


class StdoutOutput:
    """Standard output: a file, a terminal, or a pipe or socket to a log collector.

    A pipe is opened a second time, so that this description alone does not wait. A line is shorter than
    PIPE_BUF, so the lines of several workers do not mix (POSIX, write()).
    """

    def __init__(self) -> None:
        self._descriptors = PerProcess(_open_stdout, leave=_close)
        self._is_spared = False

    def spare_stdout(self) -> None:
        """Write to stderr from now on: stdout is for the report of a command."""
        self._is_spared = True

    def write(self, line: bytes) -> bool:
        """See `Output.write`."""
        descriptor = _STDERR if self._is_spared else self._descriptors()
        try:
            if descriptor in (_STDOUT, _STDERR) and not select.select([], [descriptor], [], 0)[1]:
                return False
            written = os.write(descriptor, line)
            if written < len(line):  # a full disk: the cut line ends here, and is not written again
                os.write(descriptor, line[written:])
        except (OSError, ValueError):  # full, closed, or without a reader
            return False
        return True


def _open_stdout() -> int:
    with suppress(OSError):
        if stat.S_ISFIFO(os.fstat(_STDOUT).st_mode):
            return os.open(f"/proc/self/fd/{_STDOUT}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    return _STDOUT


def _close(descriptor: int) -> None:
    if descriptor != _STDOUT:
        with suppress(OSError):
            os.close(descriptor)


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
