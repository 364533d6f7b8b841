"""A backend with real sockets that keeps every request as it came over the wire."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Received:
    """One request, byte for byte."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def names(self) -> list[str]:
        """The header names in lower case, sorted."""
        return sorted(name.lower() for name, _ in self.headers)

    def header(self, name: str) -> str:
        """The one header of that name."""
        [value] = [value for key, value in self.headers if key.lower() == name.lower()]
        return value


@dataclass(frozen=True, slots=True)
class Reply:
    """What the backend answers."""

    status: int = 200
    body: bytes = b""
    headers: tuple[str, ...] = ()
    delay: float = 0.0
    raw: bytes | None = None
    """Written instead of everything else; the connection is closed after it."""
    close: bool = False
    """Close the connection without having announced it."""


Answerer = Callable[[Received], Reply]


def echo(request: Received) -> Reply:
    """The default: what came in goes out."""
    return Reply(body=request.body)


@dataclass(slots=True)
class Backend:
    """A thread per connection, kept alive until the client closes."""

    answer: Answerer = echo
    requests: list[Received] = field(default_factory=list)
    connections: int = 0
    listener: socket.socket = field(
        default_factory=lambda: socket.create_server(("127.0.0.1", 0), backlog=512)
    )
    open_sockets: set[socket.socket] = field(default_factory=set)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.listener.getsockname()[1])

    @property
    def url(self) -> str:
        """Base URL."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Accept connections in the background."""
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        """Close everything."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.drop_connections()

    def drop_connections(self) -> None:
        """Close every connection, as a restarted server would."""
        for connection in list(self.open_sockets):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def at(self, path: str) -> list[Received]:
        """The requests to that path, in order of arrival."""
        return [request for request in self.requests if request.target.partition("?")[0] == path]

    def wait_for(self, path: str, count: int = 1, timeout: float = 5.0) -> list[Received]:
        """Wait until so many requests have come to that path."""
        deadline = time.monotonic() + timeout
        while len(self.at(path)) < count:
            assert time.monotonic() < deadline, f"{len(self.at(path))} requests to {path}, wanted {count}"
            time.sleep(0.002)
        return self.at(path)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        self.open_sockets.add(connection)
        try:
            with connection, connection.makefile("rb") as stream:
                while (line := stream.readline()) and self._exchange(
                    connection, line, stream.readline, stream.read
                ):
                    pass
        except OSError:
            return
        finally:
            self.open_sockets.discard(connection)

    def _exchange(
        self,
        connection: socket.socket,
        request_line: bytes,
        read_line: Callable[[], bytes],
        read: Callable[[int], bytes],
    ) -> bool:
        method, target, _ = request_line.decode("latin-1").split(" ")
        headers: list[tuple[str, str]] = []
        while (line := read_line()) not in (b"\r\n", b""):
            name, _, value = line.decode("latin-1").partition(":")
            headers.append((name, value.strip()))
        length = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
        request = Received(method, target, tuple(headers), read(length))
        self.requests.append(request)
        reply = self.answer(request)
        time.sleep(reply.delay)
        if reply.raw is not None:
            connection.sendall(reply.raw)
            return False
        lines = [f"HTTP/1.1 {reply.status} Whatever", f"Content-Length: {len(reply.body)}", *reply.headers]
        connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + reply.body)
        return not reply.close
